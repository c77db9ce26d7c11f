-- A load for wrk: the same request over and over, the outcome as one line of JSON.
--   wrk ... -s load.lua URL -- BODY_FILE LANGUAGE [MILLISECONDS between the requests of a connection]

local pause = 0

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   wrk.method = "POST"
   wrk.body = file:read("*a")
   wrk.headers["Content-Type"] = "application/json"
   wrk.headers["Accept-Language"] = arguments[2]
   file:close()
   local request = wrk.format()
   wrk.request = function() return request end
   pause = tonumber(arguments[3] or 0)
   if pause > 0 then
      -- Between half and one and a half of it, lest the connections march in step.
      delay = function() return math.floor(pause * (0.5 + math.random())) end
   end
end

function done(summary, latency, _)
   local errors = summary.errors
   print(string.format(
      'OUTCOME {"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.4f, "p99_ms": %.4f, "errors": %d}',
      summary.requests, summary.duration / 1e6, summary.bytes,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
