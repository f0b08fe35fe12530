-- What a reference event is about, so that the index `event_reference` leads to the latest terms of one
-- instrument, asset or choice of margin mode, however many there are. Made before the tables.
--
-- The writer's rows pass through here, so nothing may be thrown: bytes that PostgreSQL reads otherwise
-- than the codec did (a NUL in the first of two equal keys) have no subject.
CREATE FUNCTION ledger.reference_subject(kind text, raw bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    content json := convert_from(raw, 'UTF8')::json;
BEGIN
    RETURN CASE kind WHEN 'account' THEN content ->> 'account'
                     WHEN 'asset' THEN content ->> 'asset'
                     WHEN 'pool' THEN ''
                     WHEN 'position_mode' THEN (content ->> 'account') || '/' || (content ->> 'instrument')
                     ELSE content ->> 'instrument' END;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
