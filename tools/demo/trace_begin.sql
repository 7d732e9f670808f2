SET client_min_messages = warning;
CREATE TEMPORARY TABLE trace (
	line int GENERATED ALWAYS AS IDENTITY,
	at text NOT NULL,
	context_tokens bigint NOT NULL,
	generated_tokens bigint NOT NULL
);
\copy trace (at, context_tokens, generated_tokens) FROM STDIN WITH (FORMAT csv, HEADER true)
