package fleet

// Salt is a server salt of an auth key and the time in which the server takes it, in Unix seconds on the
// server's clock; 0: not known (get_future_salts of core.telegram.org/mtproto/service_messages).
type Salt struct {
	ValidSince, ValidUntil int64
	Value                  int64
}
