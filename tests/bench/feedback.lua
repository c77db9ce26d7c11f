-- A load for wrk, as load.lua has it: calls, and in turn with them what a user did with the card that leads an answer.
-- Every other time its suggestion was accepted, else the card was set aside.

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "load.lua")

local KEPT = 100
local CARD = '"uuid":"([%x-]+)","detail".-"suggestions":%[{"label":"[^"]*","uuid":"([%x-]+)"'
local SET_ASIDE = '{"feedback":[{"card":"%s","outcome":"overridden","outcomeTimestamp":"%s"}]}'
local ACCEPTED = '{"feedback":[{"card":"%s","outcome":"accepted","outcomeTimestamp":"%s",'
   .. '"acceptedSuggestions":[{"id":"%s"}]}]}'
local answered, prepare = {}, init

function init(arguments)
   prepare(arguments)
   local call, path, number = request, wrk.path .. "/feedback", 0
   request = function()
      local card = table.remove(answered)
      if card == nil then return call() end
      number = number + 1
      local told = number % 2 == 0 and ACCEPTED or SET_ASIDE
      return wrk.format("POST", path, nil, told:format(card[1], os.date("!%Y-%m-%dT%H:%M:%SZ"), card[2]))
   end
end

-- The answer to feedback holds no card.
function response(_, _, body)
   local card, suggestion = body:match(CARD)
   if card ~= nil and #answered < KEPT then answered[#answered + 1] = {card, suggestion} end
end
