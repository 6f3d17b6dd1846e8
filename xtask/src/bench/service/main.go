// Service answers HTTP requests on loopback, or causes them and tells how long the answers took.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Report is what `load` prints, in microseconds.
type Report struct {
	Requests int     `json:"requests"`
	Median   float64 `json:"median"`
	P99      float64 `json:"p99"`
	Seconds  float64 `json:"seconds"`
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 5 && os.Args[1] == "load":
		load(os.Args[2], number(os.Args[3]), number(os.Args[4]))
	default:
		log.Fatal("usage: service serve | service load ADDRESS MILLISECONDS CONNECTIONS")
	}
}

// serve prints its address and ends with its standard input.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	// A handler that does a little of what handlers do: it reads a file and looks for one that is not there.
	handler := func(w http.ResponseWriter, _ *http.Request) {
		hosts, err := os.ReadFile("/etc/hosts")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if _, err := os.Open("/etc/gomon-bench/override.json"); err == nil {
			log.Fatal("an override exists")
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]int{"bytes": len(hosts)})
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(handler)))
}

// load keeps so many connections busy and prints a Report.
func load(address string, milliseconds, connections int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 10 * time.Second}
	began := time.Now()
	end := began.Add(time.Duration(milliseconds) * time.Millisecond)
	var mutex sync.Mutex
	var all []time.Duration
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			var own []time.Duration
			for time.Now().Before(end) {
				own = append(own, ask(client, "http://"+address+"/"))
			}
			mutex.Lock()
			defer mutex.Unlock()
			all = append(all, own...)
		})
	}
	group.Wait()
	if len(all) == 0 {
		log.Fatal("no request was answered")
	}
	slices.Sort(all)
	at := func(percent int) float64 { return float64(all[(len(all)-1)*percent/100].Nanoseconds()) / 1000 }
	report := Report{Requests: len(all), Median: at(50), P99: at(99), Seconds: time.Since(began).Seconds()}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

func ask(client *http.Client, url string) time.Duration {
	start := time.Now()
	response, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		log.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%s answered %s", url, response.Status)
	}
	return time.Since(start)
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > 1_000_000 {
		log.Fatalf("%s is no number from 1 to 1000000", text)
	}
	return value
}
