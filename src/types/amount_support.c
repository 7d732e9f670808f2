/*-------------------------------------------------------------------------
 *
 * amount_support.c
 *	  Lets < <= > >= of aiusage.amount use a btree index.
 *
 * The operators of the btree class are others (~<~ and so on: see
 * amount_ops.c), so the planner has to be told: cost > '5 USD' is the same,
 * among the amounts in USD, as cost ~>~ '5 USD' AND cost ~<=~ the largest
 * amount in USD.  An index scan never meets another currency, so it does not
 * fail where a scan of the whole table would have.
 *
 * Only for comparison with a constant: the currency must be known to find the
 * other end of the range.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "utils/lsyscache.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_amount_support);

/* key OP constant, with the operator of the index's own family */
static Expr *
index_clause(SupportRequestIndexCondition *req, Node *key, Const *value, StrategyNumber strategy)
{
	Oid			type = value->consttype;
	Oid			operator = get_opfamily_member(req->opfamily, type, type, strategy);

	if (!OidIsValid(operator))
		return NULL;
	return make_opclause(operator, BOOLOID, false, (Expr *) copyObject(key),
						 (Expr *) copyObject(value), InvalidOid, InvalidOid);
}

/* the clauses, or NIL when there is nothing to be gained */
static List *
index_condition(SupportRequestIndexCondition *req)
{
	OpExpr	   *clause = (OpExpr *) req->node;
	Node	   *key;
	Const	   *value;
	Const	   *limit;
	AiuAmount  *end;
	char	   *name;
	bool		less;
	bool		or_equal;
	Expr	   *first;
	Expr	   *second;

	if (!IsA(clause, OpExpr) || list_length(clause->args) != 2 ||
		req->index->relam != BTREE_AM_OID)
		return NIL;
	key = list_nth(clause->args, req->indexarg);
	value = list_nth(clause->args, 1 - req->indexarg);
	if (!IsA(value, Const) || value->constisnull || exprType(key) != value->consttype)
		return NIL;

	name = get_opname(clause->opno);
	if (name == NULL || (name[0] != '<' && name[0] != '>'))
		return NIL;
	less = (name[0] == '<') == (req->indexarg == 0);
	or_equal = name[1] == '=';

	end = palloc(sizeof(AiuAmount));
	(void) aiu_amount_pack(end, less ? -AIU_AMOUNT_MAX : AIU_AMOUNT_MAX,
						   aiu_amount_currency(DatumGetAmountP(value->constvalue)));
	limit = makeConst(value->consttype, -1, InvalidOid, sizeof(AiuAmount),
					  PointerGetDatum(end), false, false);
	if (less)
	{
		first = index_clause(req, key, value, or_equal ? BTLessEqualStrategyNumber : BTLessStrategyNumber);
		second = index_clause(req, key, limit, BTGreaterEqualStrategyNumber);
	}
	else
	{
		first = index_clause(req, key, value, or_equal ? BTGreaterEqualStrategyNumber : BTGreaterStrategyNumber);
		second = index_clause(req, key, limit, BTLessEqualStrategyNumber);
	}
	if (first == NULL || second == NULL)
		return NIL;
	req->lossy = false;
	return list_make2(first, second);
}

Datum
aiu_amount_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request));
	PG_RETURN_POINTER(NULL);
}
