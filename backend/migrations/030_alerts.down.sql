DROP TABLE outbox;
DROP FUNCTION refuse_second_delivery();
DROP TABLE alert_firings;
DROP TABLE alerts;
