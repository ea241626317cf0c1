-- wrk's script: one request after the other about a user who is drawn at random. Arguments: method, users,
-- uniform or zipf, seed, media type, and what stands before and after the eight digits of a body.
-- There is no function response: wrk would keep and parse every answer for it.
local random, floor, format = math.random, math.floor, string.format
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  users, zipf = tonumber(args[2]), args[3] == "zipf"
  math.randomseed(tonumber(args[4]) * 64 + number)
  start = args[1] .. " /user/u"
  middle, suffix, body = "/settings HTTP/1.1\r\nHost: bench\r\n", args[7], args[5] ~= ""
  if body then
    middle = middle .. "Content-Type: " .. args[5] .. "\r\nContent-Length: " .. (#args[6] + 8 + #args[7]) .. "\r\n"
  end
  middle = middle .. "\r\n" .. args[6]
end

-- The k-th most asked for is asked for about 1/k as often as the first; 7919 spreads the ranks over the table.
local function user()
  if zipf then return floor(users ^ random()) * 7919 % users end
  return floor(random() * users)
end

function request()
  if body then
    return start .. format("%08d", user()) .. middle .. format("%08d", floor(random() * 1e8)) .. suffix
  end
  return start .. format("%08d", user()) .. middle
end

function done(summary, latency)
  local e = summary.errors
  io.write(format(
    '\nRESULT {"microseconds":%d,"requests":%d,"bytes":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},' ..
    '"latency":{"p50":%d,"p90":%d,"p99":%d,"p999":%d,"max":%d}}\n',
    summary.duration, summary.requests, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max))
end
