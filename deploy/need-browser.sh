#!/bin/sh
# need-browser.sh: makes sure that there is a browser that chromedp can drive, Chromium or Chrome, and
# Firefox. need-tool.sh installs what is missing, or says how. chromedp (execLocations in its
# allocate.go) searches the same names.
set -eu

find_browser() {
	for program in headless_shell headless-shell chromium chromium-browser \
		google-chrome google-chrome-stable google-chrome-beta google-chrome-unstable \
		/usr/bin/google-chrome /usr/local/bin/chrome /snap/bin/chromium chrome \
		/Applications/Chromium.app/Contents/MacOS/Chromium \
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
		if command -v "$program" >/dev/null 2>&1; then return 0; fi
	done
	return 1
}

need="$(dirname "$0")/need-tool.sh"

command -v firefox >/dev/null 2>&1 ||
	"$need" firefox-esr "Firefox is missing: apt-get install firefox-esr (Debian), snap install firefox (Ubuntu), dnf install firefox (Fedora), brew install --cask firefox (macOS)"

find_browser && exit 0

exec "$need" chromium "Chromium or Chrome is missing: apt-get install chromium (Debian), snap install chromium (Ubuntu), dnf install chromium (Fedora), brew install --cask chromium (macOS)"
