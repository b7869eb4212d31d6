// Package audittest helps to test what stands around package audit.
//
// [Storage] and [Guard] are the contracts of [audit.Storage] and [audit.Guard] as tests: call them from a test of each
// implementation. [Memory] and [MemoryGuard] are implementations that keep all in memory and can be tampered with.
// [Faults] and its wrappers make each durable step fail, before or after it took effect, or kill the process there.
package audittest
