-- What all functions share: the keys of one site, the time, and telling the world.
--
-- KEYS[1] of every call is the site's hash tag, "{belfry}"; every key of the site starts with it, so all live in one slot.
-- ARGV[1] is now_ms in tests, and empty in production: then Redis' own clock counts. Stored time never goes back.
--
--   T:addr:<address>     hash    c contact, v:<account> the latest conversation of what he writes from there, with a + if it is answered
--                                elsewhere, w:<account> until when he may then be written to there, s:<account> what was sent
--                                there last without a conversation, conv.n, al the other addresses known to be his, no: he refused all
--   T:contact:<id>       hash    name, addr, v:<account> its open conversation, la lat who had the last one, and when, lc the latest opened;
--                                more in 05_contacts
--   T:conv:<id>          hash    state gen own q ch acct contact addr nm first enq stk eff wt base n open win fly excl last given
--                                inv whom its agent invites to take it over, invq into which queue, nf offers in a row that nobody took, arr when it was re-opened
--                               prev the citizen's conversation before it, into the one it was merged into, ans the send it may answer: conv.n
--                               slot of a log of sends: account|shard
--                               at what is said of it, name=value, a line each
--                               fr first reply of an agent, una what nobody has answered yet ('' before that reply, 0: nothing)
--                               sf sn sr what was told of its clocks: since|predicted or breached
--                               bw bx ho of a program: 35_bot.lua
--   T:log:<id>           list    immutable entries; entry n is at index n-1
--   T:st:<id>            string  one state byte per entry that we send, forward only; nought, or past its end: inbound, or a note
--   T:pid:<id>           hash    n -> the provider's id of what we sent, f<n> -> why it failed
--   T:hold:<id>          list    outbound entries that wait for the one in flight
--   T:q:<queue>          zset    waiting conversations by eff
--   T:nb:<queue>         zset    those that wait for it to open, by when it will
--   T:routes             string  which queue a new conversation goes to, a line a route
--   T:agent:<id>         hash    name cap avail reason ses load last gen seq miss gone queues skills roles login bot
--   T:agentc:<id>        set     the conversations he holds; load is their summed weight
--   T:inv:<id>           set     the conversations of others that he is invited to take over; they weigh nothing yet
--   T:draining           zset    agents who take nothing new and go offline when their last conversation is done
--   T:replay:<id>        list    lines of the last 500 events, told in order
--   T:node               zset    shard -> lease end; T:nodee hash shard -> epoch; T:sess:<shard> its sessions
--   T:lease              hash    name -> shard|shard epoch|lease epoch|until
--   T:dl                 zset    deadlines: offer|conv|gen  wrap|conv|gen  park|conv|gen  gone|agent|nth  unc|conv|n
--                                warm|conv|gen an invitation ends  open|conv|gen its queue opens  back|agent|why the rest of what it has
--   T:alive             string  when a shard last started or beat
--   T:dd:<ch>:<day>      set     inbound dedupe by the provider's own day
--   T:ev                 stream  every transition (not ordinary messages)
--   T:out:<acct>:<lane>  list    conv.n waiting to be claimed; lane 0 alert, 1 conversation, 2 bulk
--   T:later:<acct>:<lane>  zset  conv.n that may be claimed again at a time
--   T:fly:<acct>         hash    conv.n -> lease epoch under which it is claimed|lane
--   T:cid:<who>:<id>     string  conv.n of a client_id, for 24 h
--   T:open:<acct>        hash    dedupe members without a provider's id, not acknowledged yet -> ms
--   T:sends              hash    account|shard -> the log of sends in use|its day
--   T:consent:<address>  hash    category -> given or refused|ms|proof
--   T:quarantine         list    updates that could not be kept otherwise
--   T:hist:<day>, T:histat  what was, counted by the hour: 65_history.lua
--
-- Weights are integers, ten to one conversation: wrap-up weighs 3.

-- redis.call exists only while a function runs, not while the library loads: the first call puts it in its own place.
local call
call = function(...)
  call = redis.call
  return call(...)
end
-- What goes to Redis is a string already: a number costs a printf("%.17g") on the way, a third of a small command.
local int
int = function(x)
  local format = string.format
  int = function(y) return format('%d', y) end
  return int(x)
end

-- Who directs what is done now, if it is not the conversation's agent: each transition says so.
local actor = ''

local last_now, last_text = 0, '0'
local clock = '0' -- the time of the present call, ms, as text

local function now_of(arg)
  if arg ~= '' then
    clock = arg
    return tonumber(arg)
  end
  local t = call('TIME')
  local text = t[1] .. string.sub('00000' .. t[2], -6, -4)
  local now = tonumber(text)
  if now < last_now then
    now, text = last_now, last_text
  else
    last_now, last_text = now, text
  end
  clock = text
  return now
end

-- Adds a transition to the stream that mirrors, metrics and the audit read. `more` is the caller's no longer. Every 32nd cuts the
-- stream: what it costs to ask for that each time is three arguments, and an argument is a hundredth of a transition.
local NOTHING, added = {}, 0
local function transition(T, now, kind, conv, gen, agent, queue, more)
  added = added + 1
  if actor ~= '' then
    more = more or {}
    more[#more + 1], more[#more + 2] = 'by', actor
  end
  if added % 32 == 0 then
    call('XADD', T .. ':ev', 'MAXLEN', '~', '200000', '*', 'k', kind, 'v', conv, 'g', gen, 'a', agent, 'q', queue, 't', clock, unpack(more or NOTHING))
  else
    call('XADD', T .. ':ev', '*', 'k', kind, 'v', conv, 'g', gen, 'a', agent, 'q', queue, 't', clock, unpack(more or NOTHING))
  end
end

-- One event for an agent: counted, kept for replay, published to every shard that holds one of his sessions.
-- The line is seq|kind|conv|x|y|ms|extra; `body` follows the published line only: on replay it is read from the log.
--   m message x=n y=state extra=window   r receipt x=n y=state extra=reason   o offer x=gen y=expires   x rescinded x=gen extra=why
--   g assigned x=gen   c conversation x=gen y=state   k read mark
-- told: the same by who has counted it already, and `seq` is a string.
local function told(T, agent, seq, kind, conv, x, y, extra, body)
  local line = seq .. '|' .. kind .. '|' .. conv .. '|' .. x .. '|' .. y .. '|' .. clock .. '|' .. extra
  local replay = T .. ':replay:' .. agent
  if call('RPUSH', replay, line) >= 576 then call('LTRIM', replay, '-512', '-1') end
  call('PUBLISH', T .. ':a:' .. agent, body and (line .. '\n' .. body) or line)
end

local function tell(T, now, agent, kind, conv, x, y, extra, body)
  return told(T, agent, int(call('HINCRBY', T .. ':agent:' .. agent, 'seq', '1')), kind, conv, x, y, extra, body)
end

-- What a visitor of the web chat is to see at once: visitor|conv|n|state, then the entry. Every shard hears it and one of them may have
-- his tabs. A hint only: the conversation's log is the truth, and who missed one reads it there.
local function is_web(address)
  return string.sub(address or '', 1, 4) == 'web:'
end
local function show_visitor(T, address, conv, n, state, entry)
  call('PUBLISH', T .. ':chat', string.sub(address, 5) .. '|' .. conv .. '|' .. n .. '|' .. state .. '\n' .. entry)
end

-- load(agent) and the set of what he holds change together, always here.
local function hold(T, agent, conv, weight)
  call('SADD', T .. ':agentc:' .. agent, conv)
  return call('HINCRBY', T .. ':agent:' .. agent, 'load', weight)
end

local function let_go(T, agent, conv, weight)
  call('SREM', T .. ':agentc:' .. agent, conv)
  -- Not -weight: minus nought is written "-0", which Redis does not take for a number.
  return call('HINCRBY', T .. ':agent:' .. agent, 'load', 0 - weight)
end

-- A command that saw an older generation changes nothing; it hears what is true now.
local function stale(gen, state, owner)
  return {'stale', tonumber(gen or 0), state or 'closed', owner or ''}
end

local ORDER = {i = 0, q = 1, c = 2, s = 3, u = 4, x = 5, f = 6, d = 7, r = 8}
-- Only what we send has a byte of its own.
local function known_byte(byte)
  return (byte == '' or byte == '\0') and 'i' or byte
end
-- Messages that still wait for news: what `open` counts.
local function is_open(byte)
  return byte == 'q' or byte == 'c' or byte == 's' or byte == 'u'
end
