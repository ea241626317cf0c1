package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// registerPages adds the pages for people and tools: where to begin, one for each kind of problem,
// to which a problem's type leads, and the API's description.
func (s *Server) registerPages(app *fiber.App) {
	pages := pagesForPeople()
	app.Get("/", pages[""].send)
	app.Get("/problems", pages["problems"].send)
	app.Get("/problems/:kind", func(c *fiber.Ctx) error {
		return pages.send(c, "problems/"+c.Params("kind"))
	})
	registerDocs(app)
}

// page is a file that stays the same until the next release.
type page struct {
	body   []byte
	header map[string]string
	etag   string
}

func newPage(contentType, policy string, body []byte) page {
	sum := sha256.Sum256(body)
	header := map[string]string{fiber.HeaderContentType: contentType}
	if policy != "" {
		header[fiber.HeaderContentSecurityPolicy] = policy
		header[fiber.HeaderXFrameOptions] = "DENY" // for browsers without frame-ancestors
		header[fiber.HeaderReferrerPolicy] = "no-referrer"
		header["Cross-Origin-Opener-Policy"] = "same-origin"
	}
	return page{body, header, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// send answers with the page, or with 304 if the client has it. Clients revalidate it before each
// use (frame sets Cache-Control: no-cache), so the pages of a new release are seen at once.
func (p page) send(c *fiber.Ctx) error {
	match, err := tagsOf(c, fiber.HeaderIfMatch, strong, p.is)
	if err != nil {
		return err
	}
	had, err := tagsOf(c, fiber.HeaderIfNoneMatch, weak, p.is)
	if err != nil {
		return err
	}
	set(c, fiber.HeaderETag, p.etag)
	if match != nil && !match.Any && len(match.Listed) == 0 {
		return problem{
			kind: messages.KindPrecondition, detail: "the page is another by now: " + p.etag,
		}
	}
	for name, value := range p.header {
		c.Set(name, value)
	}
	if had != nil && (had.Any || len(had.Listed) > 0) {
		unmodified(c, len(p.body))
		return nil
	}
	c.Response().SetBodyRaw(p.body)
	return nil
}

// is tells whether an entity tag is the page's, which has no versions.
func (p page) is(tag string) (messages.Tag, bool) {
	return messages.Tag{}, `"`+tag+`"` == p.etag
}

// pages are pages by path.
type pages map[string]page

func (p pages) send(c *fiber.Ctx, name string) error {
	found, ok := p[name]
	if !ok {
		return fiber.ErrNotFound
	}
	return found.send(c)
}

var (
	//go:embed pages.html
	pagesHTML string
	//go:embed pages.css
	pagesCSS string

	pageTemplates = template.Must(template.New("pages").Parse(pagesHTML))
)

// problemPage is the data of the template for a kind's page.
type problemPage struct {
	explanation
	Kind            messages.Kind
	Title           string
	Status          int
	StatusText      string
	Again           bool
	Header, Example string
	Style           template.CSS
}

// pagesForPeople are the landing page, the list of problems, and a page for each kind.
var pagesForPeople = sync.OnceValue(func() pages {
	// Nothing is loaded, and only this style applies.
	sum := sha256.Sum256([]byte(pagesCSS))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	style := template.CSS(pagesCSS) //nolint:gosec // a file of ours

	all := make(pages)
	add := func(name, layout string, data any) {
		var b bytes.Buffer
		if err := pageTemplates.ExecuteTemplate(&b, layout, data); err != nil {
			panic(err) // templates and data are compiled in, and tested
		}
		all[name] = newPage(fiber.MIMETextHTMLCharsetUTF8, policy, b.Bytes())
	}
	var list []problemPage
	for kind, entry := range statuses {
		p := problemPage{
			explanation: explanations[kind], Kind: kind, Title: entry.title, Status: entry.status,
			StatusText: http.StatusText(entry.status), Again: retryable(kind), Style: style,
		}
		p.Example, p.Header = p.example()
		add("problems/"+string(kind), "problem", p)
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b problemPage) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Kind, b.Kind))
	})
	add("", "home", struct {
		Title string
		Style template.CSS
	}{"Settings", style})
	add("problems", "list", struct {
		Title    string
		Style    template.CSS
		Problems []problemPage
	}{"Problems", style, list})
	return all
})

// example is an answer of this kind: its body, and its headers apart from the usual ones.
func (p problemPage) example() (body, header string) {
	if header = p.header; header != "" {
		header += "\n"
	}
	if p.Again {
		header += fiber.HeaderRetryAfter + ": " + retryAfter + "\n"
	}
	var indented bytes.Buffer
	compact, err := problem{
		kind: p.Kind, detail: p.detail, current: p.current,
		violations: p.violations,
	}.body(p.Status, p.Title, "../../", "Jd1x7RqUYGCK3yqEyA9Qkp") // of a user's document
	if err == nil {
		err = json.Indent(&indented, compact, "", "  ")
	}
	if err != nil {
		panic(err) // as above
	}
	return indented.String(), header
}
