<?php

// Every page may be cached, and says when it was made.
header('Cache-Control: public, max-age=600');
header('Content-Type: text/plain');
echo 'Brochure ', $_SERVER['HTTP_HOST'], ' ', $_SERVER['REQUEST_URI'], "\n";
echo 'uploads of ', ini_get('upload_max_filesize'), "\n";
echo 'made at ', hrtime(true), "\n";
