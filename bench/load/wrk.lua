-- wrk's script: requests about one drawn user each. Arguments: method, users, draw (see load.Draw),
-- first user of "next", seed, media type, what stands before and after a body's eight digits,
-- the number of threads, and the file that has the users' tokens, one a line, or "".
-- There is no function response: wrk would keep and parse every answer for it.
local random, floor, format = math.random, math.floor, string.format
local started = 0

function setup(thread)
  thread:set("number", started)
  started = started + 1
end

function init(args)
  users, draw, following = tonumber(args[2]), args[3], tonumber(args[4]) + number
  threads = tonumber(args[9])
  math.randomseed(tonumber(args[5]) * 64 + number)
  start = args[1] .. " /user/u"
  middle, suffix, body = "/settings HTTP/1.1\r\nHost: 127.0.0.1\r\n", args[8], args[6] ~= ""
  if body then
    middle = middle .. "Content-Type: " .. args[6] .. "\r\nContent-Length: " .. (#args[7] + 8 + #args[8]) .. "\r\n"
  end
  tail = "\r\n" .. args[7]
  if args[10] ~= "" then
    tokens, tail = {}, "\r\n" .. tail
    for token in io.lines(args[10]) do tokens[#tokens + 1] = token end
    middle = middle .. "Authorization: Bearer "
  else
    middle, tail = middle .. tail, ""
  end
end

local function user()
  if draw == "next" then
    following = following + threads
    return following
  end
  -- 7919 spreads the popular users over the table.
  if draw == "zipf" then return floor(users ^ random()) * 7919 % users end
  return floor(random() * users)
end

function request()
  local who = user()
  local head = start .. format("%08d", who) .. middle
  if tokens then head = head .. tokens[who + 1] .. tail end
  if body then return head .. format("%08d", floor(random() * 1e8)) .. suffix end
  return head
end

function done(summary, latency)
  local e = summary.errors
  io.write(format(
    '\nRESULT {"microseconds":%d,"requests":%d,"bytes":%d,"errors":%d,' ..
    '"latency":{"p50":%d,"p99":%d,"p999":%d}}\n',
    summary.duration, summary.requests, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
