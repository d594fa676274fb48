package accesslog

import "strings"

// families maps marks in a user agent to the family of its client. The first match counts, so the order matters: nearly
// every browser calls itself Mozilla and Safari, Edge and Opera call themselves Chrome, and crawlers call themselves
// whatever helps.
var families = []struct{ mark, family string }{
	{"googlebot", "Googlebot"},
	{"bingbot", "Bingbot"},
	{"msnbot", "Bingbot"},
	{"yandexbot", "YandexBot"},
	{"baiduspider", "Baiduspider"},
	{"yahoo! slurp", "Yahoo Slurp"},
	{"feed", "feed reader"},
	{"rss", "feed reader"},
	{"bot", "other bot"},
	{"spider", "other bot"},
	{"crawl", "other bot"},
	{"ezooms", "other bot"},
	{"curl/", "curl"},
	{"wget/", "Wget"},
	{"python", "script"},
	{"ruby", "script"},
	{"perl", "script"},
	{"java/", "script"},
	{"go-http-client", "script"},
	{"edge/", "Edge"},
	{"edg/", "Edge"},
	{"opera", "Opera"},
	{"opr/", "Opera"},
	{"msie ", "Internet Explorer"},
	{"trident/", "Internet Explorer"},
	{"firefox/", "Firefox"},
	{"chrome/", "Chrome"},
	{"crios/", "Chrome"},
	{"android", "Android"},
	{"safari/", "Safari"},
	{"applewebkit/", "WebKit"},
	{"mozilla/", "other browser"},
}

// ClientFamily returns the family of the client that sent the user agent: "none" for no agent, "other" for an unknown one.
func ClientFamily(agent string) string {
	if agent == "" || agent == "-" {
		return "none"
	}
	agent = strings.ToLower(agent)
	for _, f := range families {
		if strings.Contains(agent, f.mark) {
			return f.family
		}
	}
	return "other"
}
