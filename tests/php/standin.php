<?php
// A stand-in for WHMCS: loads includes/hooks/ as WHMCS does, fires hook points, and writes down all that comes of it.
// One job (JSON) a run: as a router of PHP's own web server (a page of WHMCS) or on the command line (its cron).

namespace WHMCS\Module {
    abstract class AbstractWidget
    {
        protected $title = '';
        protected $description = '';
        protected $weight = 100;
        protected $columns = 1;
        protected $cache = false;
        protected $cacheExpiry = 120;
        protected $requiredPermission = '';

        public function getTitle()
        {
            return $this->title;
        }

        abstract public function getData();

        abstract public function generateOutput($data);
    }
}

namespace WHMCS\Database {
    // The few words of its query builder that the hook file uses, over the job's tables.
    final class Capsule
    {
        private $rows;

        public static function table($name)
        {
            $query = new self();
            $query->rows = isset(\Standin::$job['tables'][$name]) ? \Standin::$job['tables'][$name] : [];
            return $query;
        }

        public function whereIn($column, $values)
        {
            $this->rows = array_filter($this->rows, static function ($row) use ($column, $values) {
                return in_array($row[$column], $values);
            });
            return $this;
        }

        public function get($columns)
        {
            return array_map(static function ($row) use ($columns) {
                return (object) array_intersect_key($row, array_flip($columns));
            }, array_values($this->rows));
        }
    }
}

namespace {
    // What must never leave: in variables and in objects that give it away to whoever serialises them.
    const SECRETS = [
        'password' => 'client-Passw0rd&<',
        'serverpassword' => 'root-Passw0rd!',
        'serveraccesshash' => "line-one-of-the-hash\nline-two-of-the-hash",
        'apitoken' => 'token-0123456789',
    ];

    final class Model implements \JsonSerializable
    {
        public $id = 77;
        public $password = 'model-Passw0rd';
        public $attributes = SECRETS;

        public function jsonSerialize(): array
        {
            return (array) $this;
        }

        public function __toString()
        {
            return 'model-Passw0rd';
        }
    }

    final class Panels
    {
        public $children = [];

        public function addChild($name, $options)
        {
            $child = new self();
            $this->children[] = ['name' => $name, 'options' => $options, 'of' => $child];
            return $child;
        }

        public function told(): array
        {
            $told = [];
            foreach ($this->children as $child) {
                $told[] = ['name' => $child['name'], 'options' => $child['options'], 'children' => $child['of']->told()];
            }
            return $told;
        }
    }

    final class Standin
    {
        public static $job = [];
        public static $hooks = [];
        public static $seen = ['errors' => [], 'log' => [], 'local' => []];
        public static $firing = 0;

        public static function fire(string $point, $vars): array
        {
            $answers = [];
            $hooks = isset(self::$hooks[$point]) ? self::$hooks[$point] : [];
            ksort($hooks);
            foreach (array_merge([], ...array_values($hooks)) as $hook) {
                $answers[] = $hook($vars);
            }
            return $answers;
        }

        public static function vars(string $point, array $given)
        {
            if ($point === 'ClientAreaHomepagePanels') {
                return new Panels();
            }
            if (strpos($point, 'Module') !== false) {
                $given['params'] = $given['params'] + SECRETS + [
                    'clientsdetails' => ['email' => 'jo@example.com', 'password' => SECRETS['password']],
                    'customfields' => ['Root password' => 'field-Passw0rd'],
                    'server' => true,
                    'model' => new Model(),
                ];
            }
            return $given + ['model' => new Model(), 'invoice' => new Model(), 'moment' => new \DateTime('2026-01-01')];
        }

        public static function answer(string $action, array $values)
        {
            self::$seen['local'][] = [$action, $values];
            if (isset(self::$job['throws']) && in_array($action, self::$job['throws'], true)) {
                throw new \RuntimeException('localAPI of the stand-in');
            }
            if (isset(self::$job['fires'][$action])) {
                list($point, $vars) = self::$job['fires'][$action];
                self::$seen['nested'][] = self::fire($point, self::vars($point, $vars));
            }
            if (isset(self::$job['local'][$action])) {
                return self::canned(self::$job['local'][$action], $values);
            }
            if (isset(self::$job['panel'])) {
                return self::panel($action, $values);
            }
            return ['result' => 'error', 'message' => 'not in this stand-in'];
        }

        private static function canned(array $replies, array $values)
        {
            $about = isset($values['invoiceid']) ? $values['invoiceid'] : '';
            $about = isset($values['status']) ? $values['status'] : $about;
            $reply = isset($replies['result']) ? $replies : $replies[isset($replies[$about]) ? $about : ''];
            if (!empty(self::$job['latin1'])) {
                array_walk_recursive($reply, static function (&$value) {
                    $value = is_string($value) ? iconv('UTF-8', 'ISO-8859-1', $value) : $value;
                });
            }
            return $reply;
        }

        private static function panel(string $action, array $values)
        {
            $form = ['action' => $action, 'responsetype' => 'json'] + self::$job['credentials'] + $values;
            $context = stream_context_create(['http' => [
                'method' => 'POST',
                'header' => 'Content-Type: application/x-www-form-urlencoded',
                'content' => http_build_query($form),
            ]]);
            return json_decode(file_get_contents(self::$job['panel'], false, $context), true);
        }
    }

    function add_hook($point, $priority, $hook)
    {
        Standin::$hooks[$point][$priority][] = $hook;
    }

    function logActivity($text, $client = 0)
    {
        if (!empty(Standin::$job['log_throws'])) {
            throw new \RuntimeException('no log');
        }
        Standin::$seen['log'][] = [$text, $client];
    }

    function localAPI($action, $values)
    {
        return Standin::answer($action, $values);
    }

    function shown($answer)
    {
        if ($answer instanceof \WHMCS\Module\AbstractWidget) {
            return ['title' => $answer->getTitle(), 'html' => $answer->generateOutput($answer->getData())];
        }
        return $answer;
    }

    error_reporting(E_ALL);
    ini_set('display_errors', '1');
    set_error_handler(static function ($level, $text, $file, $line) {
        if (error_reporting() & $level) {
            Standin::$seen['errors'][] = $text . ' in ' . basename($file) . ':' . $line;
        }
        return true;
    });
    $before = ob_get_level();
    ob_start();
    Standin::$job = json_decode(file_get_contents(PHP_SAPI === 'cli' ? 'php://stdin' : 'php://input'), true);
    $_SESSION = Standin::$job['session'] + [];
    $_GET = isset(Standin::$job['query']) ? Standin::$job['query'] : [];
    $_POST = isset(Standin::$job['post']) ? Standin::$job['post'] : [];
    if (isset(Standin::$job['script'])) {
        $_SERVER['SCRIPT_NAME'] = Standin::$job['script'];
    }
    define('WHMCS', true);
    foreach (glob(Standin::$job['root'] . '/includes/hooks/*.php') as $file) {
        if (basename($file)[0] !== '_') {
            (static function () use ($file) {
                include $file;
            })();
        }
    }
    $answers = [];
    $seconds = [];
    $panels = [];
    foreach (Standin::$job['calls'] as list($point, $given)) {
        $vars = Standin::vars($point, $given);
        $began = microtime(true);
        $found = Standin::fire($point, $vars);
        $seconds[] = microtime(true) - $began;
        $answers[] = array_map('shown', $found);
        if ($vars instanceof Panels) {
            $panels[] = $vars->told();
        }
    }
    $depth = ob_get_level();
    $printed = ob_get_clean();
    restore_error_handler();
    header('Content-Type: application/json');
    echo json_encode(Standin::$seen + [
        'answers' => $answers,
        'panels' => $panels,
        'seconds' => $seconds,
        'printed' => $printed,
        'left_open' => $depth - $before - 1,
        'session' => $_SESSION,
        'points' => array_keys(Standin::$hooks),
        'curl' => function_exists('curl_exec'),
    ]);
}
