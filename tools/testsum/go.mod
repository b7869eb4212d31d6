module github.com/taffrail-dev/taffrail/tools/testsum

go 1.26.0
