module gomon.dev/bench/service

go 1.25
