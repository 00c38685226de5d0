namespace LlmRL.Tests.Rewards;

internal static partial class MathCases
{
    /// <summary>Answers that are not the same: paying for one of these teaches a policy something wrong.</summary>
    public const string Different =
        """
        # integers and separators
        5 ¦ 6
        5 ¦ -5
        5 ¦ 55
        5 ¦ 5.1
        5 ¦ 5 6
        12 ¦ 1,2
        12 ¦ 1 2
        1234 ¦ 1,235
        1234 ¦ 1.234
        1234567 ¦ 1,234,568
        1000 ¦ 1
        32349 ¦ \boxed{32, 349}
        1000000 ¦ 1 billion
        0 ¦ \text{none}
        7 ¦ eight
        7 ¦ seventy
        # decimals
        0.5 ¦ 5
        0.5 ¦ 0.05
        0.5 ¦ 0.51
        3.14 ¦ \pi
        3.14 ¦ 3.15
        3.5 ¦ 3
        1/3 ¦ 0.33
        1/3 ¦ 0.3333
        2/3 ¦ 0.67
        \pi ¦ 3.14159
        \sqrt2 ¦ 1.414
        0.1 ¦ 0.10001
        100 ¦ 100.0001
        0 ¦ 0.00001
        0.\overline{3} ¦ 0.3
        0.\overline{9} ¦ 0.9
        1.41 ¦ 1.42
        3.1416 ¦ 3.1426
        # fractions
        1/2 ¦ 1/3
        1/2 ¦ 2
        1/2 ¦ 2/1
        1/2 ¦ -1/2
        \frac12 ¦ 12
        \frac{1}{2} ¦ \frac{2}{1}
        \frac{12}{5} ¦ \frac{1}{25}
        3\frac12 ¦ \frac32
        3\frac12 ¦ 3
        3 1/2 ¦ 31/2
        -3\frac12 ¦ -2.5
        7/2 ¦ 7
        1/0 ¦ 2/0
        \frac{0}{0} ¦ \frac{0}{0} + 1
        \frac{x}{2} ¦ \frac{2}{x}
        \frac{1}{x+1} ¦ \frac1x+1
        1:2 ¦ 2:1
        12:00 ¦ 1:00
        # percent, money, units
        50\% ¦ 5
        50\% ¦ 51\%
        1/2 ¦ 50%
        10\% ¦ 0.01
        \$10 ¦ \$100
        10 ¦ \$10.50
        5 \text{ cm} ¦ 6 \text{ cm}
        5 \text{ cm} ¦ 5 \text{ m}
        5 \text{ hours} ¦ 5 minutes
        90^\circ ¦ 90 radians
        90^\circ ¦ 91^\circ
        \$5 ¦ 5 cents
        5 kg ¦ 5 lb
        60 mph ¦ 60 km/h
        # scientific notation
        1500 ¦ 1.5e4
        1500 ¦ 1.5 \times 10^2
        0.0015 ¦ 1.5 \times 10^{3}
        10^{100} ¦ 10^{100}+1
        10^{100} ¦ 10^{101}
        2^{100} ¦ 1267650600228229401496703205377
        6.02e23 ¦ 6.03e23
        10^{-20} ¦ 0
        10^{-20} ¦ 10^{-21}
        # roots and pi
        \sqrt{8} ¦ \sqrt{2}
        \sqrt{8} ¦ 4
        \sqrt{8} ¦ 8
        2\sqrt3 ¦ 3\sqrt2
        2\sqrt{3} ¦ \sqrt{6}
        \sqrt[3]{8} ¦ \sqrt{8}
        \sqrt{2}+\sqrt{3} ¦ \sqrt{5}
        \frac{1+\sqrt5}{2} ¦ 1+\frac{\sqrt5}{2}
        \frac{1+\sqrt5}{2} ¦ \frac{1-\sqrt5}{2}
        2\pi ¦ \pi
        2\pi ¦ 2
        2\pi ¦ \pi^2
        \frac{\pi}{3} ¦ \frac{3}{\pi}
        e^2 ¦ 2e
        \sqrt{10^{20}+1} ¦ 10^{10}
        \sqrt{x^2} ¦ x
        # powers, factorials, binomials, logarithms, trigonometry
        5! ¦ 5
        5 ¦ 5!
        5! ¦ 60
        \binom{5}{2} ¦ 20
        \binom52 ¦ \frac52
        \binom{n}{2} ¦ \frac{n}{2}
        \log_2 8 ¦ \log 8
        \log_2 3 ¦ \log_3 2
        \ln 6 ¦ \ln 2 \cdot \ln 3
        \ln 2+\ln 3 ¦ \ln 5
        \sin x ¦ \cos x
        \sin 2x ¦ 2\sin x
        \sin^2 x ¦ \sin x^2
        \tan^{-1} 1 ¦ \cot 1
        \sin^2 x + \cos^2 x ¦ 2
        |x| ¦ x
        \lfloor 3.7 \rfloor ¦ 4
        2^{-3} ¦ -8
        x^{23} ¦ x^2 3
        (x^2)^3 ¦ x^5
        2^{x+1} ¦ 2^x+1
        a^{b+c} ¦ a^b+a^c
        # polynomials and expressions
        x^2+2x+1 ¦ x^2+2x
        x^2+2x+1 ¦ x^2+2x+2
        x^2+2x+1 ¦ (x-1)^2
        (x+1)^2 ¦ x^2+1
        2x ¦ 2y
        2x ¦ x^2
        2x ¦ 2
        x ¦ y
        x ¦ X
        xy ¦ x+y
        a(b+c) ¦ ab+c
        \frac{1}{x}+\frac1y ¦ \frac{2}{x+y}
        -x^2 ¦ x^2
        x^2 - (a+b)x + ab ¦ (x+a)(x+b)
        x_1 ¦ x_2
        x_{12} ¦ x_1
        \alpha ¦ \beta
        x ¦ x+10^{-30}
        10^{20}+x ¦ 10^{20}
        10^{20}+x-10^{20} ¦ 2x
        x^{100} ¦ x^{99}
        (x+1)^{50} ¦ (x+1)^{50}+1
        \frac{5}{9}(F-32) ¦ \frac{5}{9}F-32
        x+y ¦ 0
        6x^3-4 ¦ 6x^3+4
        # complex numbers
        3+4i ¦ 3-4i
        3+4i ¦ 4+3i
        i ¦ -i
        2i ¦ 2
        \frac1i ¦ i
        \sqrt{-4} ¦ -2i
        e^{i\pi/3} ¦ \frac{\sqrt3}{2}+\frac12 i
        # intervals and sets
        (1,2) ¦ [1,2]
        [1,2) ¦ (1,2]
        (1,2) ¦ (1,3)
        (1,2) ¦ (-1,2)
        (-\infty,3) ¦ (-\infty,3]
        (-\infty,3) ¦ (3,\infty)
        (-\infty,3) ¦ (\infty,3)
        (3,\infty) ¦ x \ge 3
        [1,2) ¦ 1 < x < 2
        (1,2) ¦ x>1
        (1,2)\cup(3,4) ¦ (1,2)
        (1,2)\cup(3,4) ¦ (1,4)
        (1,2)\cup(3,4) ¦ (1,2)\cup[3,4)
        (1,2)\cup(3,4) ¦ (1,2)\cap(3,4)
        (1,2)\cup(3,4) ¦ (1,2),(3,5)
        \mathbb{R} ¦ \mathbb{Z}
        \mathbb{R} ¦ \emptyset
        \{1,2,3\} ¦ \{1,2\}
        \{1,2,3\} ¦ \{1,2,4\}
        \{1,2\} ¦ \{1,1\}
        \{1,2\} ¦ (2,1)
        \{1,2\} ¦ [1,2]
        \{1\} ¦ \{\}
        \emptyset ¦ 0
        \emptyset ¦ \{0\}
        (-\infty,2)\cup(2,\infty) ¦ \mathbb{R}
        (-\infty,2)\cup(2,\infty) ¦ \mathbb{R}\setminus\{3\}
        x \ne 3 ¦ x = 3
        x<-1 \text{ or } x>1 ¦ -1<x<1
        # tuples, vectors, matrices
        (1,2) ¦ (2,1)
        (1,2) ¦ (1,2,3)
        (1,2,3) ¦ (1,2)
        (1,2) ¦ (1,-2)
        (1,2) ¦ 1
        (1,2) ¦ 12
        (1,2) ¦ 1.2
        (1,2) ¦ (1,2),(3,4)
        (1,2),(3,4) ¦ (1,2)
        (1,2),(3,4) ¦ (1,3),(2,4)
        (x,y)=(1,2) ¦ (2,1)
        \begin{pmatrix}1\\2\end{pmatrix} ¦ \begin{pmatrix}2\\1\end{pmatrix}
        \begin{pmatrix}1&2\\3&4\end{pmatrix} ¦ \begin{pmatrix}1&3\\2&4\end{pmatrix}
        \begin{pmatrix}1&2\\3&4\end{pmatrix} ¦ \begin{pmatrix}1&2\\3&5\end{pmatrix}
        \begin{pmatrix}1&2\\3&4\end{pmatrix} ¦ \begin{pmatrix}1&2&3&4\end{pmatrix}
        \begin{pmatrix}1&2\\3&4\end{pmatrix} ¦ 1,2,3,4
        \begin{vmatrix}1&2\\3&4\end{vmatrix} ¦ 2
        \begin{pmatrix}1&0\\0&1\end{pmatrix} ¦ 1
        \mathbf{i}+2\mathbf{j} ¦ 2\mathbf{i}+\mathbf{j}
        # equations and inequalities
        x=5 ¦ x=6
        x=5 ¦ 6
        5 ¦ 2x=5
        x=5 ¦ x^2=25
        x=5 ¦ x>5
        x=5 ¦ y=6
        y=2x+1 ¦ y=2x-1
        y=2x+1 ¦ 2x-1
        y=2x+1 ¦ x=2y+1
        2x+3y=6 ¦ 2x+3y=7
        2x+3y=6 ¦ 4x+6y=6
        2x+3y=6 ¦ 2x-3y=6
        x^2+y^2=4 ¦ x^2+y^2=2
        x+y=1 ¦ 1
        x=1, x=2 ¦ x=1
        x=1, y=2 ¦ x=2, y=1
        x>5 ¦ x<5
        x>5 ¦ x \ge 5
        x>5 ¦ 5
        -x<5 ¦ x<-5
        2x>10 ¦ x>10
        a \le b ¦ a \ge b
        0 = 0 ¦ 1 = 1 + 1
        # plus or minus, lists
        \pm 3 ¦ 3
        3 ¦ \pm 3
        \pm 3 ¦ -3
        \pm 3 ¦ 0
        2\pm\sqrt3 ¦ 2+\sqrt3
        2\pm\sqrt3 ¦ 3\pm\sqrt2
        1,2,3 ¦ 1,2
        1,2 ¦ 1,2,3
        1,2,3 ¦ 1,2,4
        1,2,3 ¦ 6
        1,1,2 ¦ 1,2,2
        1 ¦ 1, 2
        1 \text{ and } 2 ¦ 12
        1, 2, 3 ¦ 123
        # text and letters
        \text{even} ¦ odd
        yes ¦ no
        true ¦ false
        yes ¦ yes and no
        Monday ¦ Tuesday
        ellipse ¦ hyperbola
        no solution ¦ one solution
        no ¦ no solution
        A ¦ B
        A ¦ (B)
        A ¦ The answer is B, not A.
        A ¦ \boxed{B}
        A ¦ 
        (A) ¦ AB
        C ¦ I cannot say
        E ¦ A, B, C, D or E
        A ¦ A or B
        \infty ¦ -\infty
        \infty ¦ 0
        \infty ¦ 8
        undefined ¦ 0
        ABC ¦ CBA
        ABC ¦ ACB
        # how answers are given
        18 ¦ #### 17
        18 ¦ #### 18\n#### 17
        18 ¦ \boxed{18} no, \boxed{17}, wait, it must be that \boxed{17}
        18 ¦ First I thought \boxed{18}, but after a longer look it is \boxed{17}
        18 ¦ <think>18</think> 17
        18 ¦ <answer>17</answer> 18
        18 ¦ The answer is not 18. The answer is 17.
        18 ¦ \boxed{}
        18 ¦ \boxed{18, 17}
        18 ¦ 18 or 17
        18 ¦ \boxed{18 \text{ or } 17}
        18 ¦ 17 (or maybe 18?) so 16
        18 ¦ \boxed{x}
        18 ¦ I do not know.
        18 ¦ \boxed{18+1}
        18 ¦ \boxed{18=17}
        18 ¦ \boxed{18!}
        18 ¦ \boxed{18x}
        18 ¦ \boxed{18} and \boxed{17}
        18 ¦ 0.18
        18 ¦ 18,000
        18 ¦ 18000
        18 ¦ 1.8
        18 ¦ 118
        18 ¦ 18.5
        18 ¦ 18^2
        18 ¦ 18/2
        18 ¦ \frac{18}{2}
        18 ¦ (18, 18)
        18 ¦ 1e18
        """;

    /// <summary>Every pair with its verdict.</summary>
    public static IEnumerable<(bool Equal, string Gold, string Answer)> All() => Pairs(Same, true).Concat(Pairs(SameText, true)).Concat(Pairs(Different, false));

    private static IEnumerable<(bool Equal, string Gold, string Answer)> Pairs(string table, bool equal) => table.Split('\n')
        .Where(line => !line.StartsWith('#') || line.StartsWith("####", StringComparison.Ordinal))
        .Select(line => line.Split(" ¦ "))
        .Select(parts => (equal, parts[0], parts.Length > 1 ? parts[1].Replace("\\n#", "\n#", StringComparison.Ordinal) : ""));
}
