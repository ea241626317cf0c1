package messages

// What encoding adds to the variable parts of an operation, a result, a request or
// a reply at most: keys, lengths and numbers. A property test holds these true.
const (
	operationOverhead = 50
	resultOverhead    = 60 // with its index in Reply.Of
	entryOverhead     = 34
	listOverhead      = 40
	userOverhead      = 40
	violationOverhead = 12
	actorOverhead     = 14
	tokenOverhead     = 20
	useOverhead       = 16
	tagSize           = 21
	followOverhead    = 20
	positionOverhead  = 22
	envelopeOverhead  = MaxDetail + 64
)

// Size is an upper bound of the bytes that the operation takes in a request.
func (o *Operation) Size() int {
	return operationOverhead + len(o.User) + len(o.RequestID) + len(o.ID) + len(o.Fingerprint) +
		len(o.Document) +
		sizeOfPath(o.Path) + o.If.size() + sizeOfNumber(o.Version) + sizeOfNumber(int64(o.Limit)) +
		sizeOfNumber(o.Issued) + 4 + o.List.size() + o.Actor.size() + o.Token.size() +
		sizeOfUses(o.Uses) + o.Follow.size() + sizeOfPrincipal(o.Principal) + sizeOfTrace(o.Trace)
}

func (l *Listing) size() int {
	if l == nil {
		return 0
	}
	return listOverhead + len(l.After)
}

func (f *Following) size() int {
	if f == nil {
		return 0
	}
	return followOverhead + f.After.size()
}

func (p *Position) size() int {
	if p == nil {
		return 0
	}
	return positionOverhead + len(p.Database) + len(p.User)
}

// Size is an upper bound of the bytes that the result takes in a reply.
func (r *Result) Size() int {
	size := resultOverhead + len(r.Kind) + len(r.Detail) + len(r.Document) +
		sizeOfNumber(r.Modified) + sizeOfPath(r.Path)
	for i := range r.Entries {
		size += entryOverhead + len(r.Entries[i].Action) + r.Entries[i].Actor.size()
	}
	for i := range r.Users {
		size += r.Users[i].Size()
	}
	for i := range r.Tokens {
		size += r.Tokens[i].size()
	}
	size += sizeOfCount(len(r.Tokens))
	return size + sizeOfViolations(r.Violations) + sizeOfText(r.Next) + sizeOfNumber(r.Schema) +
		sizeOfNumber(r.SchemaModified) + sizeOfNumber(r.Checked) + sizeOfNumber(r.Broken) +
		r.Position.size() + sizeOfNumber(r.Took)
}

// Size is an upper bound of the bytes that the user takes in a result.
func (u *User) Size() int {
	return userOverhead + len(u.ID) + len(u.Document) + sizeOfViolations(u.Violations) +
		sizeOfNumber(u.Erased) + sizeOfNumber(u.Transaction)
}

func sizeOfViolations(violations []Violation) int {
	size := 0
	if len(violations) > 0 {
		size = 8
	}
	for _, v := range violations {
		size += violationOverhead + len(v.Pointer) + len(v.Reason)
	}
	return size
}

func (a *Actor) size() int {
	if a == nil {
		return 0
	}
	return actorOverhead + len(a.Subject) + len(a.Token)
}

func (t *Token) size() int {
	if t == nil {
		return 0
	}
	return tokenOverhead + len(t.ID) + len(t.Name) + len(t.Hash) + len(t.App) +
		sizeOfPath(t.Scopes) + t.CreatedBy.size() + sizeOfNumber(t.Created) +
		sizeOfNumber(t.Expires) + sizeOfNumber(t.LastUsed)
}

func sizeOfUses(uses []TokenUse) int {
	size := sizeOfCount(len(uses))
	for i := range uses {
		size += useOverhead + len(uses[i].ID)
	}
	return size
}

// sizeOfCount is what a list of so many takes beside its elements, if it's there.
func sizeOfCount(n int) int {
	if n == 0 {
		return 0
	}
	return 4
}

func sizeOfText(text string) int {
	if text == "" {
		return 0
	}
	return 4 + len(text)
}

func (c *Condition) size() int {
	if c == nil {
		return 0
	}
	return 2 + c.Match.size() + c.NoneMatch.size() + sizeOfNumber(c.UnmodifiedSince)
}

func (v *Versions) size() int {
	if v == nil {
		return 0
	}
	return 8 + tagSize*len(v.Listed)
}

// sizeOfNumber is what a field with a number takes, if it's there.
func sizeOfNumber(n int64) int {
	if n == 0 {
		return 0
	}
	return 10
}

func sizeOfPrincipal(p uint64) int {
	if p == 0 {
		return 0
	}
	return 10
}

func sizeOfTrace(trace []byte) int {
	if len(trace) == 0 {
		return 0
	}
	return 3 + len(trace)
}

func sizeOfPath(path []string) int {
	size := sizeOfCount(len(path))
	for _, token := range path {
		size += 3 + len(token)
	}
	return size
}

// Capacity is how many bytes of operations or results, as their Size counts
// them, fit in one message of a NATS server with this max_payload.
func Capacity(maxPayload int64) int { return int(maxPayload) - envelopeOverhead }

// Fitting returns how many of the results, from the first on, fit in one reply of this capacity.
// The first always does.
func Fitting(results []Result, capacity int) (n int) {
	for n < len(results) {
		capacity -= results[n].Size()
		if n > 0 && capacity < 0 {
			break
		}
		n++
	}
	return n
}
