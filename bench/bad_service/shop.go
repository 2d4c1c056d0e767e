// The shop of shop.py in another language, with the standard library alone: the judge must not care what a release is written in.
// `release` is set when it is built; each case below is what a commit did wrong, or a change that is harmless.
package main

import (
	"encoding/json"
	"math"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var release = "good"

var kept [][]byte

type object = map[string]any

var names = []string{"tea", "coffee", "cocoa", "juice", "water"}

func item(n int) object {
	made := object{"id": n, "name": names[n%len(names)], "price": 1.5*float64(n) + 1, "stock": n%7 + 1}
	if release == "a field is missing" {
		delete(made, "price")
	}
	return made
}

func items(from, to int) []object {
	made := []object{}
	for n := from; n <= to; n++ {
		made = append(made, item(n))
	}
	return made
}

func say(w http.ResponseWriter, status int, value object) {
	if release == "a new field" && status < 300 {
		value["currency"] = "EUR"
	}
	body, _ := json.Marshal(value)
	w.Header().Set("Server", "shop")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// fault does what the release does wrong; it says whether the request was answered.
func fault(w http.ResponseWriter, r *http.Request) bool {
	switch release {
	case "5 % 500":
		if rand.Float64() < 0.05 {
			say(w, 500, object{"detail": "internal"})
			return true
		}
	case "2 % hang 30 s":
		if rand.Float64() < 0.02 {
			time.Sleep(30 * time.Second)
		}
	case "2 MB a request":
		page := make([]byte, 2<<20)
		for i := 0; i < len(page); i += 4096 {
			page[i] = 1
		}
		kept = append(kept, page)
	case "dies of one item":
		if r.URL.Path == "/items/31" {
			os.Exit(1)
		}
	case "5 % closed":
		if rand.Float64() < 0.05 {
			panic(http.ErrAbortHandler)
		}
	}
	return false
}

func page(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(40e6 * math.Exp(0.7*rand.NormFloat64())))
	if fault(w, r) {
		return
	}
	user, _ := strconv.Atoi(r.URL.Query().Get("user"))
	number, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/items/"))
	switch {
	case r.Method == "POST":
		say(w, 201, object{"order": 1, "state": "accepted"})
	case r.URL.Path == "/items":
		say(w, 200, object{"items": items(1, 12), "total": 12, "at": float64(time.Now().UnixMicro()) / 1e6})
	case err == nil:
		say(w, 200, item(number))
	case r.URL.Path == "/cart":
		lines := []object{item(user%9 + 1), item(user%5 + 20)}
		say(w, 200, object{"user": user, "lines": lines})
	case r.URL.Path == "/search":
		say(w, 200, object{"query": r.URL.Query().Get("q"), "found": items(3, 7)})
	case r.URL.Path == "/recommended":
		say(w, 200, object{"user": user, "items": items(user%30+1, user%30+4)})
	default:
		say(w, 404, object{"detail": "there is no such page"})
	}
}

func main() {
	version := os.Getenv("GIT_SHA")
	http.HandleFunc("/health/ready", func(w http.ResponseWriter, _ *http.Request) { say(w, 200, object{}) })
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		say(w, 200, object{"status": "healthy", "version": version})
	})
	http.HandleFunc("/", page)
	err := http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), nil)
	panic(err)
}
