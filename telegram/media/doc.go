// Package media moves files between streams and Telegram: uploads and downloads of any size in
// bounded memory, and what a file is.
//
// # Usage
//
//	up := media.NewUpload(media.UploadOptions{Name: "a.mp4", Size: size})
//	file, err := up.Send(ctx, env, reader)
//	if err != nil { reader.Seek(up.Saved(), io.SeekStart); file, err = up.Send(ctx, env, reader) }
//
//	err = media.Download(ctx, env, location, media.DownloadOptions{}, writer.Write)
//
// Parts of files are calls of low priority: an account sends them after all others.
//
// # Concurrency
//
// Functions may run at the same time over one Env. An Upload is used by one goroutine at a time;
// Saved may be called by any.
//
// # Errors
//
// *fleet.Error: Telegram's own with name and method, and ours such as FILE_EMPTY and FILE_TOO_LARGE,
// which come before anything is sent.
package media
