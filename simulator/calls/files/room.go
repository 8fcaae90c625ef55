// Package files holds the methods of files: parts, downloads, the CDN, messages with media, albums
// and profile photos. What is kept of files is in simulator/files.
//
// # Usage
//
//	room := files.New(world)
//	world.Do(func() { room.Store.ExpireReferences() })
//	room.Close()
//
// # Concurrency
//
// Handlers run under the world's lock; so must whoever looks into the Store.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package files

import (
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
)

// Room has the files of a world.
type Room struct {
	Store *files.Store
	world *model.World
}

// New registers the methods of files.
func New(w *model.World) *Room {
	r := &Room{world: w}
	r.Store = files.New(files.Config{Now: w.Config.Now, Rand: w.Rand.Int64, CDN: r.cdn})
	model.On(w, model.Anywhere, r.saveFilePart)
	model.On(w, model.Anywhere, r.saveBigFilePart)
	model.On(w, model.Anywhere, r.getFile)
	model.On(w, model.Anywhere, r.getFileHashes)
	model.On(w, model.Anyone, r.getCDNFile)
	model.On(w, model.Anywhere, r.reuploadCDNFile)
	model.On(w, model.Anywhere, r.getCDNFileHashes)
	model.On(w, 0, r.uploadMedia)
	model.On(w, 0, r.sendMedia)
	model.On(w, 0, r.sendMultiMedia)
	model.On(w, 0, r.uploadProfilePhoto)
	model.On(w, 0, r.getUserPhotos)
	model.On(w, 0, r.editChatPhoto)
	model.On(w, 0, r.editChannelPhoto)
	return r
}

// Close gives the disk back. No call may follow.
func (r *Room) Close() error { return r.Store.Close() }

// cdn is the DC to which large files are redirected.
func (r *Room) cdn() int {
	for _, dc := range r.world.Config.DCs {
		if dc.CDN != "" {
			return dc.ID
		}
	}
	return 0
}

func (r *Room) who(c *model.Call) files.Who {
	who := files.Who{DC: c.DC}
	if c.User != nil {
		who.User, who.Premium = c.User.ID, c.User.Premium
	}
	return who
}
