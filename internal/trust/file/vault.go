package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"

	"github.com/taffrail-dev/taffrail"
)

// vaultVersion begins what is locked: AES-256-GCM with a random nonce of 12 bytes, under a key that HKDF-SHA-256 makes of the sealing key.
const vaultVersion = 1

// Lock implements [taffrail.Vault].
func (s *sealer) Lock(plain []byte) ([]byte, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce) // never fails
	return box.Seal(append([]byte{vaultVersion}, nonce...), nonce, plain, []byte{vaultVersion}), nil
}

// Unlock implements [taffrail.Vault].
func (s *sealer) Unlock(locked []byte) ([]byte, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	if len(locked) < 1+box.NonceSize() || locked[0] != vaultVersion {
		return nil, unlockError(errors.New("it was not locked by this program, or was cut off"))
	}
	plain, err := box.Open(nil, locked[1:1+box.NonceSize()], locked[1+box.NonceSize():], locked[:1])
	if err != nil {
		return nil, unlockError(err)
	}
	return plain, nil
}

func unlockError(err error) error {
	return &taffrail.Error{Op: "unlock", Kind: taffrail.KindCorrupt, Err: err, Hint: sealHint}
}

func (s *sealer) box() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.key, nil, "taffrail vault v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
