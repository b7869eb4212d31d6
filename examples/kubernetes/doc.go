// Package kubernetes holds a stack of Kubernetes objects and the tests that apply it, with the released provider
// gavinbunney/kubectl, against a real etcd and a real kube-apiserver, change objects behind its back, and scan.
package kubernetes
