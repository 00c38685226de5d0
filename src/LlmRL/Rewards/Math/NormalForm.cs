using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>
/// An expression as a quotient of two polynomials with rational coefficients over its symbols, square roots of numbers and other parts taken as
/// wholes (sin x, 2^x, …). Where the difference of two vanishes they are equal; where it does not, and no generator depends on another, they differ.
/// </summary>
internal sealed class NormalForm
{
    private const int MaxGenerators = 8;
    private const int BitsOfExponent = 8;
    private const int MaxDegree = 120;
    private const int MaxTerms = 120;
    private const int MaxWork = 12_000;

    private readonly List<MathNode> generators = [];
    private int work;

    /// <summary>True or false where the normal forms decide, null where they do not.</summary>
    public static bool? Equal(MathNode a, MathNode b)
    {
        var form = new NormalForm();
        if (form.Of(a) is not var (top, bottom) || form.Of(b) is not var (otherTop, otherBottom))
            return null;
        if (form.Multiply(top, otherBottom) is not { } left || form.Multiply(otherTop, bottom) is not { } right
            || form.Add(left, right, -1) is not { } difference || bottom.Count == 0 || otherBottom.Count == 0)
        {
            return null;
        }

        return difference.Count == 0 ? true : form.IsFree() ? false : null;
    }

    // Symbols are independent of each other and of one square root, π or i; of several constants that is unknown or costly to decide.
    private bool IsFree() => generators.All(generator => generator is SymbolNode or FunctionNode { Name: "sqrt", Argument: NumberNode })
        && generators.Count(generator => generator is FunctionNode or SymbolNode { IsConstant: true }) <= 1;

    private (Dictionary<ulong, Rational> Top, Dictionary<ulong, Rational> Bottom)? Of(MathNode node)
    {
        if (node.Exact is { } number)
            return (Constant(number), Constant(1));
        switch (node)
        {
            case SymbolNode { Name: "\\infty" }:
                return null;
            case OperationNode { Operator: '^', Right.Exact: { IsInteger: true } exponent } power when BigInteger.Abs(exponent.Numerator) <= MaxDegree:
                return Power(Of(power.Left), (int)exponent.Numerator);
            case OperationNode { Operator: '+' or '*' or '/' } operation:
                return Combine(operation.Operator, Of(operation.Left), Of(operation.Right));
            case FunctionNode { Name: "sqrt", Index: 2, Argument.Exact: { } radicand }:
                return SquareRoot(radicand);
            case FunctionNode or SymbolNode or OperationNode:
                return Generator(node) is { } monomial ? (monomial, Constant(1)) : null;
            default:
                return null;
        }
    }

    // √(p/q) = √(pq)/q, with square factors of small primes taken out.
    private (Dictionary<ulong, Rational>, Dictionary<ulong, Rational>)? SquareRoot(Rational radicand)
    {
        var inside = BigInteger.Abs(radicand.Numerator) * radicand.Denominator;
        Rational outside = 1;
        for (var prime = 2; prime < 100; prime++)
        {
            while (inside > 1 && (inside % (prime * prime)).IsZero && ++work < MaxWork)
            {
                inside /= prime * prime;
                if (Rational.Multiply(outside, prime) is not { } more)
                    return null;
                outside = more;
            }
        }

        if (Rational.Of(inside, 1) is not { } rest || Rational.Of(outside.Numerator, radicand.Denominator) is not { } factor)
            return null;
        var root = inside.IsOne ? Constant(factor) : Generator(new FunctionNode("sqrt", new NumberNode(rest))) is { } one ? Multiply(one, Constant(factor)) : null;
        if (root is not null && radicand.Numerator.Sign < 0)
            root = Generator(new SymbolNode("i")) is { } i ? Multiply(root, i) : null;
        return root is null ? null : (root, Constant(1));
    }

    private Dictionary<ulong, Rational>? Generator(MathNode node)
    {
        var index = generators.IndexOf(node);
        if (index < 0)
        {
            if (generators.Count == MaxGenerators)
                return null;
            index = generators.Count;
            generators.Add(node);
        }

        return new() { [1UL << (index * BitsOfExponent)] = 1 };
    }

    private (Dictionary<ulong, Rational>, Dictionary<ulong, Rational>)? Combine(
        char operation, (Dictionary<ulong, Rational> Top, Dictionary<ulong, Rational> Bottom)? first, (Dictionary<ulong, Rational> Top, Dictionary<ulong, Rational> Bottom)? second)
    {
        if (first is not { } a || second is not { } b)
            return null;
        var (top, bottom) = operation switch
        {
            '+' => (Add(Multiply(a.Top, b.Bottom), Multiply(b.Top, a.Bottom), 1), Multiply(a.Bottom, b.Bottom)),
            '*' => (Multiply(a.Top, b.Top), Multiply(a.Bottom, b.Bottom)),
            _ => (Multiply(a.Top, b.Bottom), Multiply(a.Bottom, b.Top)),
        };
        return top is null || bottom is null || bottom.Count == 0 ? null : (top, bottom);
    }

    private (Dictionary<ulong, Rational>, Dictionary<ulong, Rational>)? Power((Dictionary<ulong, Rational> Top, Dictionary<ulong, Rational> Bottom)? node, int exponent)
    {
        if (node is not { } given)
            return null;
        Dictionary<ulong, Rational>? top = Constant(1), bottom = Constant(1);
        for (var i = 0; i < Math.Abs(exponent) && top is not null && bottom is not null; i++)
            (top, bottom) = (Multiply(top, given.Top), Multiply(bottom, given.Bottom));
        if (exponent < 0)
            (top, bottom) = (bottom, top);
        return top is null || bottom is null || bottom.Count == 0 ? null : (top, bottom);
    }

    private static Dictionary<ulong, Rational> Constant(Rational number) => number.IsZero ? [] : new() { [0] = number };

    private Dictionary<ulong, Rational>? Add(Dictionary<ulong, Rational>? a, Dictionary<ulong, Rational>? b, int sign)
    {
        if (a is null || b is null)
            return null;
        var sum = new Dictionary<ulong, Rational>(a);
        foreach (var (monomial, coefficient) in b)
        {
            if (!Accumulate(sum, monomial, sign < 0 ? coefficient.Negate() : coefficient))
                return null;
        }

        return sum.Count > MaxTerms ? null : sum;
    }

    private Dictionary<ulong, Rational>? Multiply(Dictionary<ulong, Rational>? a, Dictionary<ulong, Rational>? b)
    {
        if (a is null || b is null)
            return null;
        var product = new Dictionary<ulong, Rational>();
        foreach (var (x, u) in a)
        {
            foreach (var (y, v) in b)
            {
                if (Degree(x) + Degree(y) > MaxDegree || Rational.Multiply(u, v) is not { } coefficient)
                    return null;
                var monomial = x + y;
                if (!Reduce(ref monomial, ref coefficient) || !Accumulate(product, monomial, coefficient))
                    return null;
            }
        }

        return product.Count > MaxTerms ? null : product;
    }

    // i² = −1 and √m² = m
    private bool Reduce(ref ulong monomial, ref Rational coefficient)
    {
        for (var g = 0; g < generators.Count; g++)
        {
            var exponent = (int)(monomial >> (g * BitsOfExponent)) & 0xFF;
            Rational? square = generators[g] switch
            {
                SymbolNode { Name: "i" } => -1,
                FunctionNode { Name: "sqrt", Argument: NumberNode inside } => inside.Number,
                _ => null,
            };
            if (square is not { } number || exponent < 2)
                continue;
            if (Rational.Power(number, exponent / 2) is not { } factor || Rational.Multiply(coefficient, factor) is not { } scaled)
                return false;
            coefficient = scaled;
            monomial -= (ulong)(exponent - (exponent % 2)) << (g * BitsOfExponent);
        }

        return true;
    }

    private bool Accumulate(Dictionary<ulong, Rational> sum, ulong monomial, Rational coefficient)
    {
        work += 1 + (int)((coefficient.Numerator.GetBitLength() + coefficient.Denominator.GetBitLength()) / 64);
        if (work > MaxWork)
            return false;
        if (sum.TryGetValue(monomial, out var before))
        {
            if (Rational.Add(before, coefficient) is not { } total)
                return false;
            coefficient = total;
        }

        if (coefficient.IsZero)
            sum.Remove(monomial);
        else
            sum[monomial] = coefficient;
        return true;
    }

    private static int Degree(ulong monomial)
    {
        var degree = 0;
        for (; monomial != 0; monomial >>= BitsOfExponent)
            degree += (int)(monomial & 0xFF);
        return degree;
    }
}
