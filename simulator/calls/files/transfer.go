package files

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func (r *Room) saveFilePart(c *model.Call, q *tg.UploadSaveFilePartRequest) (bin.Encoder, error) {
	return &tg.BoolTrue{}, r.Store.SavePart(r.who(c), q.FileID, q.FilePart, q.Bytes)
}

func (r *Room) saveBigFilePart(c *model.Call, q *tg.UploadSaveBigFilePartRequest) (bin.Encoder, error) {
	return &tg.BoolTrue{}, r.Store.SaveBigPart(r.who(c), q.FileID, q.FilePart, q.FileTotalParts, q.Bytes)
}

func (r *Room) getFile(c *model.Call, q *tg.UploadGetFileRequest) (bin.Encoder, error) {
	if c.DC == r.cdn() {
		return nil, model.RPCError(400, "CDN_METHOD_INVALID")
	}
	if in, ok := q.Location.(*tg.InputPeerPhotoFileLocation); ok {
		p, err := c.InputPeer(in.Peer)
		if err != nil {
			return nil, err
		}
		return r.Store.GetPeerPhoto(r.who(c), p.ID, q, in.PhotoID, in.Big)
	}
	return r.Store.GetFile(r.who(c), q)
}

func (r *Room) getFileHashes(c *model.Call, q *tg.UploadGetFileHashesRequest) (bin.Encoder, error) {
	return vector(r.Store.GetHashes(r.who(c), q))
}

func (r *Room) getCDNFile(c *model.Call, q *tg.UploadGetCDNFileRequest) (bin.Encoder, error) {
	if c.DC != r.cdn() {
		return nil, model.RPCError(400, "METHOD_INVALID")
	}
	return r.Store.GetCDNFile(q)
}

func (r *Room) reuploadCDNFile(_ *model.Call, q *tg.UploadReuploadCDNFileRequest) (bin.Encoder, error) {
	return vector(r.Store.Reupload(q))
}

func (r *Room) getCDNFileHashes(_ *model.Call, q *tg.UploadGetCDNFileHashesRequest) (bin.Encoder, error) {
	return vector(r.Store.GetCDNHashes(q))
}

func vector(hashes []tg.FileHash, err error) (bin.Encoder, error) {
	return &tg.FileHashVector{Elems: hashes}, err
}
