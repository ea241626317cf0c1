#!/bin/sh
# need-browser.sh: makes sure that a browser can be found which chromedp can drive: Chromium or Chrome.
# What is missing is installed when this is root on a Debian-like system; otherwise one line names
# the package.
#
# chromedp (execLocations in its allocate.go) looks in the same places.
set -eu

find_browser() {
	for program in headless_shell headless-shell chromium chromium-browser google-chrome google-chrome-stable \
		google-chrome-beta google-chrome-unstable /usr/bin/google-chrome /usr/local/bin/chrome /snap/bin/chromium chrome \
		/Applications/Chromium.app/Contents/MacOS/Chromium "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
		if command -v "$program" >/dev/null 2>&1; then return 0; fi
	done
	return 1
}

say="Chromium or Chrome: apt-get install chromium (Debian), snap install chromium (Ubuntu), dnf install chromium (Fedora), brew install --cask chromium (macOS)"
find_browser && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "need-browser: missing: $say" >&2
	exit 1
fi

echo 'need-browser: installing chromium' >&2
export DEBIAN_FRONTEND=noninteractive
# The lists may be stale without harm when what is needed can still be fetched with them.
apt-get update -qq >&2 || echo 'need-browser: apt-get update failed, trying with the lists at hand' >&2
apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends chromium >&2

if ! find_browser; then
	echo "need-browser: installed, but found no browser: $say" >&2
	exit 1
fi
