<?php

// The settings of a second site of this project.
require '/usr/local/share/sitectl/drupal/settings.php';
