package messages_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// A batch as it is under load, with documents of a usual size.
const (
	benchBatch    = 32
	benchDocument = 400
)

func benchRequest() (r messages.Request) {
	for i := range benchBatch {
		r.Operations = append(r.Operations, messages.Operation{
			Action: messages.ActionReplace, User: fmt.Sprintf("user-%06d", i),
			RequestID: "4yPPOdK5eFLTTCkI3zWvYZ",
			Deadline:  1764000000000, ID: "019ab697-e800-7000-8000-000000000000",
			Fingerprint: make([]byte, 32), Document: bytes.Repeat([]byte("d"), benchDocument),
		})
	}
	return r
}

func benchReply() (r messages.Reply) {
	r.Worker = workerID
	for i := range benchBatch {
		r.Results = append(r.Results, messages.Result{
			Version: int64(i), Document: bytes.Repeat([]byte("d"), benchDocument),
		})
	}
	return r
}

func BenchmarkRequest(b *testing.B) {
	r := benchRequest()
	data, err := messages.EncodeRequest(r)
	if err != nil {
		b.Fatal(err)
	}
	bench(b, "encode", data, func() error { _, err := messages.EncodeRequest(r); return err })
	bench(b, "decode", data, func() error { _, err := messages.DecodeRequest(data); return err })
}

func BenchmarkReply(b *testing.B) {
	r := benchReply()
	data, err := messages.EncodeReply(r)
	if err != nil {
		b.Fatal(err)
	}
	bench(b, "encode", data, func() error { _, err := messages.EncodeReply(r); return err })
	bench(b, "decode", data, func() error {
		_, err := messages.DecodeReply(data, benchBatch)
		return err
	})
}

func bench(b *testing.B, name string, data []byte, f func() error) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/operation")
	})
}
