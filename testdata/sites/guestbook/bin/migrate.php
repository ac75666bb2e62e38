<?php

declare(strict_types=1);

namespace Guestbook;

require __DIR__ . '/../src/bootstrap.php';

$applied = new Migrations(Database::connect(), __DIR__ . '/../migrations')->run();
foreach ($applied as $name) {
    echo "applied $name\n";
}
if ($applied === []) {
    echo "the tables are up to date\n";
}
