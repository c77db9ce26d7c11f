-- A load for wrk: the same request over and over, the outcome as one line of JSON.
--   wrk ... -s load.lua URL -- BODY_FILE LANGUAGE MILLISECONDS [TOKENS_FILE]
-- MILLISECONDS pass between the requests of a connection. Each request is a call of its own: it has a hookInstance that no
-- other has, where the body has one, and a token of the file, a line each of one length, while there are some.

local ffi = require("ffi")

local INSTANCE, UUID, BEARER = '"hookInstance":"', 36, "Bearer "
local pause = 0

local function content(path)
   local file = assert(io.open(path, "rb"))
   local found = file:read("*a")
   file:close()
   return found
end

-- Identifiers with a beginning that differs from run to run.
local function instances()
   local file = assert(io.open("/dev/urandom", "rb"))
   local start = file:read(8):gsub(".", function(byte) return string.format("%02x", byte:byte()) end)
   file:close()
   local number = 0
   return function()
      number = number + 1
      return string.format("%s-%s-4%s-8000-%012x", start:sub(1, 8), start:sub(9, 12), start:sub(13, 15), number)
   end
end

local function cycled(lines)
   local number = 0
   return function()
      number = number % #lines + 1
      return lines[number]
   end
end

function init(arguments)
   wrk.method = "POST"
   wrk.body = content(arguments[1])
   wrk.headers["Content-Type"] = "application/json"
   wrk.headers["Accept-Language"] = arguments[2]
   local own = {{after = INSTANCE, length = UUID, text = instances()}}
   if arguments[4] then
      local lines = {}
      for line in io.lines(arguments[4]) do lines[#lines + 1] = line end
      wrk.headers["Authorization"] = BEARER .. lines[1]
      own[2] = {after = BEARER, length = #lines[1], text = cycled(lines)}
   end
   local whole = wrk.format()
   -- Written over in place: to make a text of 400 kB anew for each request takes as long as to answer it.
   local bytes = ffi.cast("char *", whole)
   local places = {}
   for _, each in ipairs(own) do
      local _, last = whole:find(each.after, 1, true)
      if last then places[#places + 1] = {bytes + last, each.length, each.text} end
   end
   request = function()
      for _, place in ipairs(places) do
         local text = place[3]()
         assert(#text == place[2], "of another length")
         ffi.copy(place[1], text, place[2])
      end
      return whole
   end
   pause = tonumber(arguments[3])
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
