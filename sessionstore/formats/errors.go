package formats

import "github.com/telefleet/orchestrator/fleet"

// The decisions a caller takes with errors.Is.
var (
	// ErrInvalid: the data is damaged or not of the format it was said to be.
	ErrInvalid = &fleet.Error{Code: fleet.CodeInvalidArgument, Reason: "SESSION_INVALID", Message: "the session cannot be read"}
	// ErrUnknown: no known format looks like the data.
	ErrUnknown = &fleet.Error{Code: fleet.CodeInvalidArgument, Reason: "SESSION_FORMAT_UNKNOWN", Message: "the session's format is not known"}
	// ErrPasscode: the tdata folder has another passcode.
	ErrPasscode = &fleet.Error{Code: fleet.CodeInvalidArgument, Reason: "TDATA_PASSCODE_WRONG", Message: "the passcode does not open the folder"}
	// ErrNotExportable: the session lacks what the format needs.
	ErrNotExportable = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "SESSION_NOT_EXPORTABLE", Message: "the session cannot be written in this format"}
)

// remedies say how a whole session of each format is got.
var remedies = map[Format]string{
	Auto:        "copy the whole string, or name its format",
	Own:         "copy the whole string that session export printed",
	Telethon:    "make the string again with StringSession.save(client.session) and copy it whole",
	Pyrogram:    "make the string again with export_session_string() and copy it whole",
	PyrogramOld: "make the string again with export_session_string() and copy it whole",
	GramJS:      "make the string again with client.session.save() and copy it whole",
	Mtcute:      "make the string again with exportSession() and copy it whole",
	Gotd:        "give the whole file that gotd's session storage wrote",
	TData:       "close Telegram Desktop and give its whole tdata folder",
}

// invalid is ErrInvalid about a field of a format.
func invalid(f Format, field, format string, args ...any) *fleet.Error {
	args = append([]any{f, field}, args...)
	return fleet.Errorf(ErrInvalid.Code, ErrInvalid.Reason, "%s session: %s: "+format, args...).WithRemedy(remedies[f])
}

// unknown is ErrUnknown; what says what the data looks like.
func unknown(what, remedy string) *fleet.Error {
	return fleet.Errorf(ErrUnknown.Code, ErrUnknown.Reason, "format: the data is %s", what).WithRemedy(remedy)
}

// notExportable is ErrNotExportable about a field of a format.
func notExportable(f Format, field, why, remedy string) *fleet.Error {
	return fleet.Errorf(ErrNotExportable.Code, ErrNotExportable.Reason, "%s session: %s: %s", f, field, why).WithRemedy(remedy)
}
