-- A key for the state.
call('DEL', KEYS[OWN + 1])
return cjson.encode({ NOW })
