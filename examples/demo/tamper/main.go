// Command tamper changes a log's database behind Taffrail's back, as anyone can who may write the file. It is for the demonstration
// and for tests: what it does has to be noticed.
//
//	tamper FOLDER SQL
//
// It prints how many rows the statement changed. Exit status: 0 some, 1 none or an error.
package main

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tamper FOLDER SQL")
		os.Exit(1)
	}
	n, err := tamper(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "tamper:", err)
		os.Exit(1)
	}
	fmt.Println("rows changed:", n)
}

// tamper runs one statement on the database in a folder. That it changed nothing is an error.
func tamper(folder, statement string) (n int64, err error) {
	path := filepath.Join(folder, "log.sqlite")
	if _, err := os.Stat(path); err != nil {
		return 0, err
	}
	address := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=rw&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	result, err := db.Exec(statement)
	if err != nil {
		return 0, err
	}
	if n, err = result.RowsAffected(); err == nil && n == 0 {
		err = fmt.Errorf("no row was changed by %s", statement)
	}
	return n, err
}
