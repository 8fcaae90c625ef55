package methods

import (
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/telegram"
)

func TestEveryCodeTypeHasAValue(t *testing.T) {
	for _, c := range []telegram.CodeType{
		telegram.CodeApp, telegram.CodeSMS, telegram.CodeCall, telegram.CodeFlashCall, telegram.CodeMissedCall, telegram.CodeEmail,
		telegram.CodeEmailSetupRequired, telegram.CodeFragment, telegram.CodeFirebase, telegram.CodeSMSWord, telegram.CodeSMSPhrase,
	} {
		if codeType(c) == v1.CodeType_CODE_TYPE_UNSPECIFIED {
			t.Errorf("%s has no value in the contract", c)
		}
	}
}
