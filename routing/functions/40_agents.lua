-- Agents, their sessions, and the shards that hold the sessions. Availability is the agent's choice; presence is his sockets'.

local function agent_news(T, now, agent, why)
  local r = call('HMGET', T .. ':agent:' .. agent, 'avail', 'ses', 'load', 'cap', 'gen', 'last', 'queues', 'skills', 'bot')
  transition(T, now, 'agent', '', 0, agent, r[7] or '', {'av', r[1] or 'offline', 'se', r[2] or 0, 'l', r[3] or 0, 'cp', r[4] or 0,
    'ag', r[5] or 0, 'la', r[6] or 0, 'sk', r[8] or '', 'bt', r[9] == '1' and '1' or '', 'x', why})
end

-- Offers of an agent who left go back at once; what he is working on stays his until the deadline `gone`. A program keeps nothing;
-- it may have thousands, for which nobody else is to wait: the next sweeps take the rest.
local BACK_AT_ONCE = 500
local function withdraw_offers(T, now, agent, why)
  local room = BACK_AT_ONCE
  for _, conv in ipairs(call('SMEMBERS', T .. ':agentc:' .. agent)) do
    local c = read(T, conv)
    if c and (c.state == 'offered' or c.state == 'bot') then
      if room == 0 then
        call('ZADD', T .. ':dl', clock, 'back|' .. agent .. '|' .. why)
        break
      end
      room = room - 1
      requeue(T, now, conv, c, why, false)
    end
  end
  for _, conv in ipairs(call('SMEMBERS', T .. ':inv:' .. agent)) do not_taken_over(T, now, conv, read(T, conv), why) end
end

-- agent_put(now, id, then field, value ...) -> ok created(0|1). Config of an agent, effective at once.
local function agent_put(keys, a)
  local T, now = keys[1], now_of(a[1])
  local ak = T .. ':agent:' .. a[2]
  local created = call('SADD', T .. ':agents', a[2])
  if created == 1 then call('HSET', ak, 'avail', 'offline', 'ses', 0, 'load', 0, 'cap', 50, 'gen', 1, 'seq', 0, 'miss', 0, 'last', 0) end
  local was = call('HGET', ak, 'bot') == '1'
  for i = 3, #a, 2 do call('HSET', ak, a[i], a[i + 1]) end
  call('HINCRBY', ak, 'gen', 1)
  -- A person's offers are nothing for a program, nor the other way round.
  if (call('HGET', ak, 'bot') == '1') ~= was then withdraw_offers(T, now, a[2], 'config') end
  agent_news(T, now, a[2], 'config')
  return {'ok', created}
end

-- agent_set(now, id, availability, reason, by) -> ok | missing. `draining`: nothing new, and offline when all is done.
local function agent_set(keys, a)
  local T, now = keys[1], now_of(a[1])
  local ak = T .. ':agent:' .. a[2]
  if call('SISMEMBER', T .. ':agents', a[2]) == 0 then return {'missing'} end
  actor = a[5]
  call('HSET', ak, 'avail', a[3], 'reason', a[4], 'miss', 0)
  call('HINCRBY', ak, 'gen', 1)
  if a[3] == 'draining' then call('ZADD', T .. ':draining', 0, a[2]) else call('ZREM', T .. ':draining', a[2]) end
  local keeps = a[3] == 'ready' or (a[3] == 'draining' and call('HGET', ak, 'bot') ~= '1')
  if not keeps then withdraw_offers(T, now, a[2], a[3]) end
  agent_news(T, now, a[2], a[3])
  actor = ''
  return {'ok'}
end

local function session_gone(T, now, agent)
  local ak = T .. ':agent:' .. agent
  local left = call('HINCRBY', ak, 'ses', -1)
  if left <= 0 then
    call('HSET', ak, 'ses', 0)
    call('HINCRBY', ak, 'gen', 1)
    withdraw_offers(T, now, agent, 'agent_gone')
    -- By absence, not by gen: what an administrator changes meanwhile must not keep the citizens waiting for ever.
    call('ZADD', T .. ':dl', now + 600000, 'gone|' .. agent .. '|' .. call('HINCRBY', ak, 'gone', 1))
    agent_news(T, now, agent, 'gone')
  end
end

-- session(now, shard, shard epoch, agent, session id, '1' open | '0' closed) -> ok seq | lost | missing
local function session(keys, a)
  local T, now = keys[1], now_of(a[1])
  local agent, member = a[4], a[4] .. '|' .. a[5]
  if call('SISMEMBER', T .. ':agents', agent) == 0 then return {'missing'} end
  if call('HGET', T .. ':nodee', a[2]) ~= a[3] then return {'lost'} end
  local ak = T .. ':agent:' .. agent
  if a[6] == '1' then
    if call('SADD', T .. ':sess:' .. a[2], member) == 1 and call('HINCRBY', ak, 'ses', 1) == 1 then
      call('HINCRBY', ak, 'gen', 1)
      agent_news(T, now, agent, 'here')
    end
  elseif call('SREM', T .. ':sess:' .. a[2], member) == 1 then
    session_gone(T, now, agent)
  end
  return {'ok', tonumber(call('HGET', ak, 'seq') or 0)}
end

-- Its epoch ends with it: a shard that was only slow hears `lost` at its next beat or session, starts again and tells its
-- sessions anew. Otherwise its agents would look connected to it and be gone here.
local function shard_gone(T, now, shard)
  local members = call('SMEMBERS', T .. ':sess:' .. shard)
  table.sort(members)  -- one agent's leaving may concern another: what each hears, and when, is not left to chance
  for _, member in ipairs(members) do
    session_gone(T, now, string.match(member, '^(.-)|'))
  end
  call('DEL', T .. ':sess:' .. shard)
  call('ZREM', T .. ':node', shard)
  return call('HINCRBY', T .. ':nodee', shard, 1)
end

-- A shard lives. Where none did for a whole lease, Redis or all of us were away: what agents owed in that time, an offer's answer or
-- their return, is due later by as much, so that nothing expires in a heap. Redis' own time says so, for a call sent before an
-- outage may come to pass after it. True: they were away.
local function were_away(T, now, ttl)
  local away = now - tonumber(call('GET', T .. ':alive') or clock)
  if away <= ttl then return false end
  call('SET', T .. ':alive', clock)
  for _, item in ipairs(call('ZRANGE', T .. ':dl', 0, -1)) do
    local kind = string.match(item, '^%a+')
    if kind == 'offer' or kind == 'warm' or kind == 'gone' then call('ZINCRBY', T .. ':dl', int(away), item) end
  end
  return true
end

-- node_start(now, shard, ttl_ms) -> ok epoch. A process that holds its state directory takes its own ids back at once.
local function node_start(keys, a)
  local T, now = keys[1], now_of(a[1])
  were_away(T, now, tonumber(a[3]))
  call('SET', T .. ':alive', clock)
  local epoch = shard_gone(T, now, a[2])
  call('ZADD', T .. ':node', now + tonumber(a[3]), a[2])
  return {'ok', epoch}
end

-- node_beat(now, shard, epoch, ttl_ms, then lease names wanted) -> lost | ok, then name, lease epoch for each held
-- A lease is free when nobody holds it, when it ran out, or when its shard has started again since.
local function node_beat(keys, a)
  local T, now = keys[1], now_of(a[1])
  local shard, epoch, till = a[2], tonumber(a[3]), now + tonumber(a[4])
  if call('HGET', T .. ':nodee', shard) ~= a[3] then return {'lost'} end
  were_away(T, now, tonumber(a[4]))
  call('SET', T .. ':alive', clock)
  call('ZADD', T .. ':node', till, shard)
  local out = {'ok'}
  for i = 5, #a do
    local who, who_epoch, lease, ends = lease_of(T, a[i])
    local mine = who == shard and who_epoch == epoch
    if not mine then
      local restarted = who and tonumber(call('HGET', T .. ':nodee', who) or 0) ~= who_epoch
      if not who or ends <= now or restarted then
        lease, mine = (lease or 0) + 1, true
      end
    end
    if mine then
      call('HSET', T .. ':lease', a[i], shard .. '|' .. epoch .. '|' .. lease .. '|' .. int(till))
      out[#out + 1], out[#out + 2] = a[i], lease
    end
  end
  return out
end

-- node_stop(now, shard, epoch) -> ok. A graceful stop: leases and sessions end now.
local function node_stop(keys, a)
  local T, now = keys[1], now_of(a[1])
  if call('HGET', T .. ':nodee', a[2]) ~= a[3] then return {'lost'} end
  local all = call('HGETALL', T .. ':lease')
  for i = 1, #all, 2 do
    if string.match(all[i + 1], '^(.-)|') == a[2] then
      local who, who_epoch, lease = lease_of(T, all[i])
      call('HSET', T .. ':lease', all[i], who .. '|' .. who_epoch .. '|' .. lease .. '|0')
    end
  end
  shard_gone(T, now, a[2])
  return {'ok'}
end

-- A queue opens for one that came too late, or too early: from now on it waits, with the place it had when it came.
local function opens(T, now, conv, c)
  local gen = int(tonumber(c.gen) + 1)
  leave_line(T, conv, c)
  call('HSET', T .. ':conv:' .. conv, 'state', 'queued', 'gen', gen, 'enq', clock)
  call('ZADD', T .. ':q:' .. c.q, c.eff, conv)
  transition(T, now, 'queued', conv, gen, '', c.q, {'e', c.eff, 'w', c.base, 'y', c.stk or '', 'x', 'opened'})
end

-- queue_put(now, id, then field, value ...) -> ok created. Where its hours change, what waits for it to open is looked at again: the
-- next sweeps put it in line, and whether it is offered then is for the calendar to say.
local function queue_put(keys, a)
  local T, now = keys[1], now_of(a[1])
  local created = call('SADD', T .. ':queues', a[2])
  for i = 3, #a, 2 do
    call('HSET', T .. ':queue:' .. a[2], a[i], a[i + 1])
    if a[i] == 'hours' or a[i] == 'zone' or a[i] == 'emergency' then
      for _, conv in ipairs(call('ZRANGE', T .. ':nb:' .. a[2], 0, -1)) do
        call('ZADD', T .. ':dl', clock, 'open|' .. conv .. '|' .. call('HGET', T .. ':conv:' .. conv, 'gen'))
      end
    end
  end
  transition(T, now, 'queue', '', 0, '', a[2], {'x', created == 1 and 'created' or 'changed'})
  return {'ok', created}
end

-- routes_put(now, text) -> ok. All routes at once: their order counts.
local function routes_put(keys, a)
  local T, now = keys[1], now_of(a[1])
  call('SET', T .. ':routes', a[2])
  transition(T, now, 'queue', '', 0, '', '', {'x', 'routes'})
  return {'ok'}
end

-- He was offered something and did not answer: nothing more until he says that he is there.
local function missed(T, now, agent)
  local ak = T .. ':agent:' .. agent
  call('HINCRBY', ak, 'miss', 1)
  call('ZREM', T .. ':draining', agent)
  call('HSET', ak, 'avail', 'not_responding', 'reason', 'missed_offer')
  call('HINCRBY', ak, 'gen', 1)
  agent_news(T, now, agent, 'missed')
end

-- sweep(now, at most, ttl_ms) -> ok done remaining(0|1). Deadlines that are due and shards whose lease ran out; nothing after an
-- outage, until the shards had time to say that they live. An entry whose generation has passed is a no-op.
local function sweep(keys, a)
  local T, now, most = keys[1], now_of(a[1]), tonumber(a[2])
  if were_away(T, now, tonumber(a[3])) then return {'ok', 0, 0} end
  local due = call('ZRANGEBYSCORE', T .. ':dl', '-inf', clock, 'LIMIT', 0, most)
  for _, item in ipairs(due) do
    call('ZREM', T .. ':dl', item)
    local kind, id, x = string.match(item, '^(%a+)|([^|]+)|(.+)$')
    if kind == 'gone' then
      local r = call('HMGET', T .. ':agent:' .. id, 'gone', 'ses')
      if r[1] == x and tonumber(r[2] or 0) == 0 then
        for _, conv in ipairs(call('SMEMBERS', T .. ':agentc:' .. id)) do
          local c = read(T, conv)
          if c and c.state == 'wrapup' then shut(T, now, conv, c, '')
          elseif c and (c.state == 'active' or c.state == 'parked') then requeue(T, now, conv, c, 'agent_lost', false) end
        end
        call('ZREM', T .. ':draining', id)
        call('HSET', T .. ':agent:' .. id, 'avail', 'offline')
        agent_news(T, now, id, 'lost')
      end
    elseif kind == 'back' then
      if not bots.is_there(T, id) then withdraw_offers(T, now, id, x) end
    elseif kind == 'unc' then
      local conv, n = string.match(x, '^(.+)%.(%d+)$')
      land(T, id, conv, n)
    elseif kind then
      local c = read(T, id)
      if c and c.gen == x then
        if kind == 'offer' and c.state == 'offered' then
          local agent = c.own
          requeue(T, now, id, c, 'timeout', true)
          missed(T, now, agent)
        elseif kind == 'warm' and c.inv then
          local agent = c.inv
          not_taken_over(T, now, id, c, 'timeout')
          missed(T, now, agent)
        elseif kind == 'open' and c.state == 'after_hours' then
          opens(T, now, id, c)
        elseif kind == 'wrap' and c.state == 'wrapup' then
          shut(T, now, id, c, '')
        elseif kind == 'park' and c.state == 'parked' then
          wake(T, now, id, c, 'park_over')
        end
      end
    end
  end
  for _, agent in ipairs(call('ZRANGE', T .. ':draining', 0, -1)) do
    if call('SCARD', T .. ':agentc:' .. agent) == 0 then
      call('ZREM', T .. ':draining', agent)
      call('HSET', T .. ':agent:' .. agent, 'avail', 'offline', 'reason', 'drained')
      call('HINCRBY', T .. ':agent:' .. agent, 'gen', 1)
      agent_news(T, now, agent, 'drained')
    end
  end
  for _, shard in ipairs(call('ZRANGEBYSCORE', T .. ':node', '-inf', clock)) do shard_gone(T, now, shard) end
  return {'ok', #due, #due == most and 1 or 0}
end

-- recount(conv) -> ok difference | none. What the counters say against what the bytes say; exact, as one call changes both.
local function recount(keys, a)
  local T, conv = keys[1], a[1]
  local r = call('HMGET', T .. ':conv:' .. conv, 'n', 'open')
  if not r[1] then return {'none'} end
  local bytes = call('GET', T .. ':st:' .. conv) or ''
  local open = 0
  for i = 1, #bytes do
    if is_open(string.sub(bytes, i, i)) then open = open + 1 end
  end
  local n = call('LLEN', T .. ':log:' .. conv)
  return {'ok', math.abs(tonumber(r[1]) - n) + math.max(0, #bytes - n) + math.abs(tonumber(r[2] or 0) - open)}
end

redis.register_function('agent_put_' .. VERSION, agent_put)
redis.register_function('agent_set_' .. VERSION, agent_set)
redis.register_function{function_name = 'session_' .. VERSION, callback = session, flags = {'allow-oom'}}
redis.register_function{function_name = 'node_start_' .. VERSION, callback = node_start, flags = {'allow-oom'}}
redis.register_function{function_name = 'node_beat_' .. VERSION, callback = node_beat, flags = {'allow-oom'}}
redis.register_function{function_name = 'node_stop_' .. VERSION, callback = node_stop, flags = {'allow-oom'}}
redis.register_function('queue_put_' .. VERSION, queue_put)
redis.register_function('routes_put_' .. VERSION, routes_put)
redis.register_function{function_name = 'sweep_' .. VERSION, callback = sweep, flags = {'allow-oom'}}
redis.register_function{function_name = 'recount_' .. VERSION, callback = recount, flags = {'no-writes'}}
