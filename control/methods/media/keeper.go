package media

import (
	"context"
	"encoding/json"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/media"
)

// keeper keeps where one upload stands in a note of its account. Without a note, which an upload without
// a name has not, it keeps nothing.
type keeper struct {
	now   func() time.Time
	note  *requests.Note
	start *v1.UploadStart // of the stream that runs
	found *place          // where the upload stood; nil: at its beginning
	saved chan struct{}   // Telegram has another part
}

// place is what a note of an upload has. A further stream must announce the same file.
type place struct {
	media.Place
	Name   string       `json:"name"`
	Size   int64        `json:"size"` // media.SizeUnknown
	Kind   v1.MediaKind `json:"kind"`
	FileID int64        `json:"file_id"`
	At     time.Time    `json:"at"`
}

// finalNote bounds the note that is written when the stream, and so its context, has ended.
const finalNote = 5 * time.Second

func (u *uploads) keeper(ctx context.Context, host *methods.Host, key uploadKey) (*keeper, error) {
	k := &keeper{now: u.now, saved: make(chan struct{}, 1)}
	if key.name == "" || host.Requests == nil {
		return k, nil
	}
	var err error
	if k.note, err = host.Requests.Note(ctx, key.account, "upload:"+key.name); err != nil {
		return nil, err
	}
	var p place
	if v := k.note.Value(); v != nil && json.Unmarshal(v, &p) == nil && p.Parts > 0 && u.now().Sub(p.At) <= keptFor {
		k.found = &p
	}
	return k, nil
}

// offset is where a further stream begins, in bytes.
func (k *keeper) offset() int64 {
	if k.found == nil {
		return 0
	}
	return int64(k.found.Parts) * media.PartSize
}

// reply tells where a further stream begins.
func (k *keeper) reply() *v1.GetUploadReply {
	if k.found == nil {
		return &v1.GetUploadReply{}
	}
	return &v1.GetUploadReply{Offset: k.offset(), Crc32C: k.found.Sum}
}

// begin makes the upload of a stream: a new one, or one that goes on.
func (k *keeper) begin(start *v1.UploadStart) (*media.Upload, error) {
	k.start = start
	o := optionsOf(start)
	o.Progress = func(int64) {
		select {
		case k.saved <- struct{}{}:
		default: // the next note has this part, too
		}
	}
	if start.GetOffset() == 0 {
		return media.NewUpload(o), nil
	}
	at := int64(0)
	if f := k.found; f != nil && f.Name == start.GetName() && f.Size == o.Size && f.Kind == start.GetKind() && f.FileID == start.GetFileId() {
		at = k.offset()
	}
	// It may have come further since the caller asked: to send a part again does no harm.
	if start.GetOffset() > at || start.GetOffset()%media.PartSize != 0 {
		return nil, fleet.Errorf(fleet.CodeAborted, "UPLOAD_OFFSET", "start.offset: the upload goes on at %d (got %d)", at, start.GetOffset()).
			WithRemedy("ask GetUpload, and send the file from there")
	}
	from := k.found.Place
	if from.Parts = int(start.GetOffset() / media.PartSize); start.GetOffset() != at {
		from.Sum = nil // it is of more
	}
	return media.ContinueUpload(o, from), nil
}

// keep notes where the upload stands, one write at a time, each with all that was saved meanwhile, until
// it is told how the stream has ended. An upload that a note is not written of is sent from an earlier
// place again, no more.
func (k *keeper) keep(ctx context.Context, up *media.Upload) (end func(complete bool)) {
	if k.note == nil {
		return func(bool) {}
	}
	over, idle := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(idle)
		for {
			select {
			case <-k.saved:
				_ = k.write(ctx, up)
			case <-over:
				return
			}
		}
	}()
	return func(complete bool) {
		close(over)
		<-idle
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalNote)
		defer cancel()
		if complete {
			_ = k.note.Drop(ctx)
			return
		}
		_ = k.write(ctx, up)
	}
}

func (k *keeper) write(ctx context.Context, up *media.Upload) error {
	at, ok := up.Place()
	if !ok {
		return nil
	}
	value, err := json.Marshal(place{
		Place: at, Name: k.start.GetName(), Size: optionsOf(k.start).Size, Kind: k.start.GetKind(), FileID: k.start.GetFileId(), At: k.now(),
	})
	if err != nil {
		return err
	}
	return k.note.Put(ctx, value)
}
