<?php

// Says once which release it is of, and waits for work that never comes.
echo 'worker of ', file_get_contents('/config/release/commit'), ' for ', file_get_contents('/config/site/url'), "\n";
pcntl_async_signals(true);
pcntl_signal(SIGTERM, fn () => exit(0));
while (true) {
    sleep(60);
}
