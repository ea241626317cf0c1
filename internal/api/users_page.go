package api

import (
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// A page of users is read in parts: one is cut short by the bytes of a message, and by how many
// rows a worker looks at, of which few may be wanted. The page is full nevertheless unless it is
// the last one, or it says why not.

// Why a page that is not the last has fewer users than its client asked for.
const (
	partialBytes = "bytes" // their documents fill it
	partialTime  = "time"  // they would have taken too long to find
)

// maxPageBytes is how many bytes a page has before it is cut short. The last part may exceed it by
// its own size.
const maxPageBytes = messages.MaxListing

// userPage is a page of users.
type userPage struct {
	users   []messages.User
	next    string // the user after whom the next page begins; "": there is none
	partial string // why it is not full; ""
	bytes   int
}

// readPage reads parts until the page is full, or so much time has passed.
func (s *Server) readPage(o messages.Operation, within time.Duration) (p userPage, err error) {
	most, until := o.List.Limit, time.Now().Add(within)
	for {
		after := o.List.After
		r, err := s.nextPart(&o)
		if err != nil {
			return p, err
		}
		p.add(&r, most)
		switch {
		case p.next == "" || len(p.users) == most:
			return p, nil
		case p.next <= after: // or it would never end
			return p, problem{kind: messages.KindInternal, detail: "a listing doesn't advance"}
		case p.bytes >= maxPageBytes:
			p.partial = partialBytes
			return p, nil
		case time.Now().After(until):
			p.partial = partialTime
			return p, nil
		}
		o.List.Limit = min(2*o.List.Limit, messages.MaxUsers) // so that few of many are soon found
	}
}

// add adds the users of a part, up to so many altogether.
func (p *userPage) add(r *messages.Result, most int) {
	p.next = r.Next
	for i := range r.Users {
		if len(p.users) == most { // the part has more than are wanted
			p.next = p.users[most-1].ID
			return
		}
		p.users = append(p.users, r.Users[i])
		p.bytes += r.Users[i].Size()
	}
}
