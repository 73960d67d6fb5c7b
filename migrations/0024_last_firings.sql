-- An alert on an hour is fired thousands of times a year: the last time is found without reading the others.
CREATE INDEX alert_firings_by_time ON alert_firings (tenant_id, alert_id, at);
