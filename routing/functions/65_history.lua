-- What was, counted by hour: routing/history.h. The counts come from the transition stream; a step through it is added together with
-- the place where it ended, so none is counted twice, whoever takes the steps and however often he dies.
--   T:hist:<day>         hash    hh|queue|channel|language -> cell=count,... of that hour, UTC; expires
--   T:histat             string  the last entry of the stream that was counted

local DAYS = 400

-- history_add(from, to, then day, field, counts for each) -> ok | stale <what is counted so far>
local function history_add(keys, a)
  local T = keys[1]
  local at = call('GET', T .. ':histat') or ''
  if at ~= a[1] then return {'stale', at} end
  for i = 3, #a, 3 do
    local key, field, cells = T .. ':hist:' .. a[i], a[i + 1], {}
    local before = call('HGET', key, field)
    for _, counts in ipairs({before or '', a[i + 2]}) do
      for cell, count in string.gmatch(counts, '(%d+)=(%d+)') do
        cell = tonumber(cell)
        cells[cell] = (cells[cell] or 0) + tonumber(count)
      end
    end
    local order, out = {}, {}
    for cell in pairs(cells) do order[#order + 1] = cell end
    table.sort(order)
    for _, cell in ipairs(order) do out[#out + 1] = cell .. '=' .. int(cells[cell]) end
    call('HSET', key, field, table.concat(out, ','))
    if not before then call('EXPIRE', key, DAYS * 86400) end
  end
  call('SET', T .. ':histat', a[2])
  return {'ok'}
end

redis.register_function('history_add_' .. VERSION, history_add)
