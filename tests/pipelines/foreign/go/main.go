// Shop is a shop of one page.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func items() string {
	return `[{"name": "chair", "price": "20"}]`
}

func main() {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", os.Getenv("GIT_SHA"))
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/items", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, items())
	})
	log.Fatal(http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), nil))
}
