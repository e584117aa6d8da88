-- What wrk sends, and what it tells about it. Arguments, after `--`:
--   few            GET /track, over 10 counters in turn
--   spread N       GET /track, over N counters at random, up to 100 variations to a test
--   json | ndjson  POST /track with 1,000 items, over the same 10 counters
local requests, next_request = {}, 0
local spread, tests, variations

local function names(index) return "acme", "cta", string.char(65 + index % 10) end

local function body(separator)
  local items = {}
  for index = 0, 999 do
    items[#items + 1] = string.format('{"clientName":"%s","testID":"%s","variation":"%s"}', names(index))
  end
  return table.concat(items, separator)
end

function init(arguments)
  local mode = arguments[1] or "few"
  if mode == "few" then
    for index = 0, 9 do
      requests[#requests + 1] =
        wrk.format("GET", string.format("/track?clientName=%s&testID=%s&variation=%s", names(index)))
    end
  elseif mode == "spread" then
    local counters = tonumber(arguments[2])
    variations = math.min(counters, 100)
    tests = math.floor(counters / variations)
    -- wrk.format builds a request anew for every call; the fixed parts are kept instead.
    spread = "\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
    math.randomseed(1)
  elseif mode == "json" then
    requests[1] = wrk.format("POST", "/track", { ["Content-Type"] = "application/json" }, "[" .. body(",") .. "]")
  elseif mode == "ndjson" then
    requests[1] = wrk.format("POST", "/track", { ["Content-Type"] = "application/x-ndjson" }, body("\n"))
  else
    error("unknown mode " .. mode)
  end
end

function request()
  if spread then
    local test = math.random(0, tests - 1)
    -- 500 tests to a client, since a client is held to 1,000.
    return string.format("GET /track?clientName=c%d&testID=t%d&variation=v%d HTTP/1.1",
      math.floor(test / 500), test % 500, math.random(0, variations - 1)) .. spread
  end
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"p999_ms":%.3f,"max_ms":%.3f,'
      .. '"bad_status":%d,"socket_errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3, latency.max / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
