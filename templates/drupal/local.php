<?php

// Part of the image, as the site has no such file of its own: for a
// settings.php that requires settings.local.php if there is one, as Drupal's
// example does.
require '/usr/local/share/sitectl/drupal/settings.php';
