DROP TABLE failure_counters;
DROP TABLE leases;
DROP TABLE count_deltas;
DROP TABLE counts;
DROP TABLE idempotency_keys;
DROP TABLE jobs;
DROP TABLE event_positions;
DROP TABLE event_payloads;
