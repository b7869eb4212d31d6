// Package audittest helps to test what stands around package audit.
//
// [Storage], [Guard] and [Keyring] are the contracts of [audit.Storage], [audit.Guard] and [audit.Keyring] as tests: call them from a
// test of each implementation; [Pruning] is for storage that can drop old entries. [Memory], [MemoryGuard] and [MemoryKeyring] are implementations that keep all in memory and can be tampered with.
// [Faults] and its wrappers make each durable step fail, before or after it took effect, or kill the process there.
package audittest
