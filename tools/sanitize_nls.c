/*
 * Preloaded beside AddressSanitizer: messages as they are in the source.
 *
 * glibc's lock around its catalogues is left unbalanced by a library that asks
 * for a message while the sanitizer is still loading; the server would wait
 * for it for ever in bindtextdomain().
 */
char	   *bindtextdomain(const char *domain, const char *dir);
char	   *bind_textdomain_codeset(const char *domain, const char *codeset);
char	   *textdomain(const char *domain);
char	   *gettext(const char *msg);
char	   *dgettext(const char *domain, const char *msg);
char	   *dcgettext(const char *domain, const char *msg, int category);
char	   *ngettext(const char *one, const char *many, unsigned long n);
char	   *dngettext(const char *domain, const char *one, const char *many, unsigned long n);
char	   *dcngettext(const char *domain, const char *one, const char *many, unsigned long n, int category);

char *bindtextdomain(const char *domain, const char *dir) { (void) domain; return (char *) dir; }
char *bind_textdomain_codeset(const char *domain, const char *codeset) { (void) domain; return (char *) codeset; }
char *textdomain(const char *domain) { return (char *) domain; }
char *gettext(const char *msg) { return (char *) msg; }
char *dgettext(const char *domain, const char *msg) { (void) domain; return (char *) msg; }
char *dcgettext(const char *domain, const char *msg, int category) { (void) domain; (void) category; return (char *) msg; }
char *ngettext(const char *one, const char *many, unsigned long n) { return (char *) (n == 1 ? one : many); }
char *dngettext(const char *domain, const char *one, const char *many, unsigned long n) { (void) domain; return ngettext(one, many, n); }
char *dcngettext(const char *domain, const char *one, const char *many, unsigned long n, int category) { (void) domain; (void) category; return ngettext(one, many, n); }
