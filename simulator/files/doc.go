// Package files is what a local Telegram keeps of files: parts that are being uploaded, documents
// and photos with their access hashes and file references, and what a CDN holds of them. It follows
// core.telegram.org/api/files and core.telegram.org/cdn to the letter where they are exact.
//
// # Usage
//
//	s := files.New(files.Config{Now: time.Now, Rand: rng.Int64})
//	err := s.SavePart(files.Who{User: 7, DC: 2}, fileID, 0, 1, data)
//	m, err := s.Media(who, &tg.InputMediaUploadedDocument{File: ..., MimeType: "text/plain"})
//	shown := m.Render(s, viewer)
//	part, err := s.GetFile(who, &tg.UploadGetFileRequest{...})
//	s.Close()
//
// Contents lie in one temporary file without a name; parts of zeros take no room, so that files of
// 2 GiB can be tried.
//
// # Concurrency
//
// A Store has no lock: whoever has it guards it. The simulator uses it under the world's mutex.
//
// # Errors
//
// What Telegram would refuse is a *tgerr.Error with its code and name; other errors are the disk's.
package files
