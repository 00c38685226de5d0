using System.Globalization;
using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>An exact fraction in lowest terms with a positive denominator.</summary>
internal readonly record struct Rational
{
    // Answers longer than this are no answers; the limit also bounds the work of powers.
    private const int MaxDigits = 400;

    private Rational(BigInteger numerator, BigInteger denominator)
    {
        Numerator = numerator;
        Denominator = denominator;
    }

    public BigInteger Numerator { get; }

    public BigInteger Denominator { get; }

    public bool IsInteger => Denominator.IsOne;

    public bool IsZero => Numerator.IsZero;

    public static implicit operator Rational(int value) => new(value, 1);

    /// <summary>numerator / denominator; null for a zero denominator or more digits than are handled.</summary>
    public static Rational? Of(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero || TooLong(numerator) || TooLong(denominator))
            return null;
        var divisor = BigInteger.GreatestCommonDivisor(numerator, denominator) * denominator.Sign;
        return new Rational(numerator / divisor, denominator / divisor);
    }

    /// <summary>Reads digits with at most one decimal point: <c>12</c>, <c>.5</c>, <c>3.</c>; null for anything else.</summary>
    public static Rational? Decimal(ReadOnlySpan<char> text)
    {
        var point = text.IndexOf('.');
        var whole = point < 0 ? text : text[..point];
        var part = point < 0 ? [] : text[(point + 1)..];
        if (text.Length > MaxDigits || whole.Length + part.Length == 0 || part.Contains('.'))
            return null;
        return BigInteger.TryParse($"{whole}{part}", NumberStyles.None, CultureInfo.InvariantCulture, out var digits)
            ? Of(digits, BigInteger.Pow(10, part.Length))
            : null;
    }

    public static Rational? Add(Rational a, Rational b) =>
        Of((a.Numerator * b.Denominator) + (b.Numerator * a.Denominator), a.Denominator * b.Denominator);

    public static Rational? Multiply(Rational a, Rational b) => Of(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

    public static Rational? Divide(Rational a, Rational b) => Of(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

    public static Rational? Power(Rational a, Rational exponent)
    {
        if (!exponent.IsInteger || BigInteger.Abs(exponent.Numerator) > 10_000)
            return null;
        var n = (int)exponent.Numerator;
        if (n < 0 && a.IsZero)
            return null;
        if (Math.Max(Length(a.Numerator), Length(a.Denominator)) * Math.Abs(n) > MaxDigits)
            return null;
        return n >= 0
            ? Of(BigInteger.Pow(a.Numerator, n), BigInteger.Pow(a.Denominator, n))
            : Of(BigInteger.Pow(a.Denominator, -n), BigInteger.Pow(a.Numerator, -n));
    }

    public Rational Negate() => new(-Numerator, Denominator);

    public Rational Abs() => new(BigInteger.Abs(Numerator), Denominator);

    public int CompareTo(Rational other) => (Numerator * other.Denominator).CompareTo(other.Numerator * Denominator);

    public double ToDouble()
    {
        // Both parts may exceed the range of double while their ratio does not.
        var shift = Math.Max(0, Math.Max(Length(Numerator), Length(Denominator)) - 250);
        if (shift == 0)
            return (double)Numerator / (double)Denominator;
        var scale = BigInteger.Pow(10, shift);
        return (double)(Numerator / scale) / (double)(Denominator / scale);
    }

    public override string ToString() => IsInteger
        ? Numerator.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Numerator}/{Denominator}");

    private static bool TooLong(BigInteger value) => Length(value) > 2 * MaxDigits;

    private static int Length(BigInteger value) => (int)(value.GetBitLength() * 0.30103) + 1;
}
