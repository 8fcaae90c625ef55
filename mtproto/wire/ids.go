package wire

// Constructors of the service messages (core.telegram.org/schema/mtproto).
const (
	IDVector              = 0x1cb5c415
	IDMsgContainer        = 0x73f1f8dc
	IDMsgCopy             = 0xe06046b2
	IDGzipPacked          = 0x3072cfa1
	IDRPCResult           = 0xf35c6d01
	IDRPCError            = 0x2144ca19
	IDRPCDropAnswer       = 0x58e4a740
	IDMsgsAck             = 0x62d6b459
	IDBadMsgNotification  = 0xa7eff811
	IDBadServerSalt       = 0xedab447b
	IDNewSessionCreated   = 0x9ec20908
	IDGetFutureSalts      = 0xb921bd04
	IDFutureSalts         = 0xae500895
	IDPing                = 0x7abe77ec
	IDPingDelayDisconnect = 0xf3427b8c
	IDPong                = 0x347773c5
	IDMsgsStateReq        = 0xda69fb52
	IDMsgsStateInfo       = 0x04deb57d
	IDMsgsAllInfo         = 0x8cc0d131
	IDMsgResendReq        = 0x7d861a08
	IDMsgResendAnsReq     = 0x8610baeb // in the documents, not in the schema
	IDMsgDetailedInfo     = 0x276d3ec6
	IDMsgNewDetailedInfo  = 0x809db6df
	IDDestroySession      = 0xe7512126
	IDDestroySessionOK    = 0xe22045fc
	IDDestroySessionNone  = 0x62d350c9
	IDHTTPWait            = 0x9299359f
	IDBindTempAuthKey     = 0xcdd42a05 // of the API's schema
	IDBindAuthKeyInner    = 0x75a3f765 // of neither: in the documents
	IDDestroyAuthKey      = 0xd1435160
	IDDestroyAuthKeyOK    = 0xf660e1d4
	IDDestroyAuthKeyNone  = 0x0a9f2259
	IDDestroyAuthKeyFail  = 0xea109b13
)

// Limits of the specification (core.telegram.org/mtproto/service_messages_about_messages,
// /mtproto/description).
const (
	// MaxContainerMessages is the most messages that a container may hold.
	MaxContainerMessages = 1024
	// MaxIDs is the most ids in one msgs_ack, msgs_state_req or msg_resend_req.
	MaxIDs = 8192
	// MinPadding and MaxPadding bound the padding of an encrypted packet.
	MinPadding, MaxPadding = 12, 1024
)

// MsgIDFactor turns seconds into the scale of message ids (id = Unix time * 2^32).
const MsgIDFactor = 1 << 32
