module github.com/outset-settings/outset/client

go 1.24.0
