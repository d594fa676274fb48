package page

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// In the light and in the dark, on a desk and on a telephone: every text can be read, and nothing sticks out.
func TestThePageCanBeRead(t *testing.T) {
	b := openTab(t)
	c := start(t, 1, false)
	c.flow(name, c.stage(0, "orders.read"), c.stage(0, "orders.store"), "orders.read", "orders.store")
	b.open(c.page(0) + "#edge=100%") // as somebody has cut it off
	b.until(`document.getElementById("live").innerText === "live"`)
	b.open(c.page(0) + "#edge=" + name)
	b.until(cell("state") + ` === "flowing" && document.querySelector(".details .history tbody")?.innerText.includes("created")`)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1366, 390, 320} {
			b.look(scheme, width, 844)
			b.until(fmt.Sprintf(`innerWidth === %d && matchMedia("(prefers-color-scheme: %s)").matches`, width, scheme))
			require.Empty(t, eval[[]string](b, faint), "%s, %d pixels", scheme, width)
			require.LessOrEqual(t, eval[int64](b, "document.documentElement.scrollWidth"), width)
			b.keep(fmt.Sprint(scheme, width))
		}
	}
	require.Empty(t, eval[[]string](b, `[...document.querySelectorAll("button, input, [role=button], [role=region], section")].filter(e =>
		!(e.ariaLabel || e.innerText?.trim() || e.labels?.length || e.getAttribute("aria-labelledby"))).map(e => e.outerHTML.slice(0, 120))`), "without a name")
	b.calm(false)
}

// faint are the texts whose contrast with what they stand on is below 4.5 to 1 (WCAG AA). What an HTML text stands on is its nearest painted
// ancestor, what one in a drawing stands on is the shape before it that lies under its middle.
const faint = `(() => {
	const rgb = c => c.match(/[\d.]+/g).map(Number);
	const shine = c => rgb(c).slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
	const contrast = (a, b) => { const [x, y] = [shine(a), shine(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
	const painted = c => c !== "none" && rgb(c)[3] !== 0;
	const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (painted(c)) return c; } return "rgb(255, 255, 255)"; };
	const under = e => {
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		const all = [...e.ownerSVGElement.querySelectorAll("rect")].filter(s => {
			const b = s.getBoundingClientRect();
			return b.x <= x && x <= b.right && b.y <= y && y <= b.bottom && painted(getComputedStyle(s).fill) && s.compareDocumentPosition(e) & 4;
		});
		return all.length ? getComputedStyle(all.at(-1)).fill : ground(e.ownerSVGElement);
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
	for (let n; n = texts.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest("title, noscript, .unseen") || !e.getClientRects().length) continue;
		const drawn = e instanceof SVGElement, s = getComputedStyle(e), c = contrast(drawn ? s.fill : s.color, drawn ? under(e) : ground(e));
		if (c < 4.5) found.push(c.toFixed(2) + " " + n.data + " " + e.className);
	}
	return found;
})()`
