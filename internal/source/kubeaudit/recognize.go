package kubeaudit

import "bytes"

// Recognizes implements [taffrail.Recognizer].
func (d decoder) Recognizes(start []byte) bool {
	return bytes.Contains(start, []byte(`"audit.k8s.io/`)) || bytes.Contains(start, []byte(`"auditID"`))
}
