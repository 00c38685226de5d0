namespace LlmRL.Tests.Rewards;

/// <summary>Pairs of a gold answer and an answer, one a line, parted by ¦: what every grader of mathematics has to tell.</summary>
internal static partial class MathCases
{
    /// <summary>Answers that are the same.</summary>
    public const string Same =
        """
        # integers and separators
        5 ¦ 5
        5 ¦ +5
        5 ¦ 05
        0 ¦ -0
        -17 ¦ −17
        -17 ¦ –17
        1234567 ¦ 1,234,567
        1234567 ¦ 1 234 567
        1234567 ¦ 1{,}234{,}567
        1234567 ¦ 1\,234\,567
        1234567 ¦ 1,\!234,\!567
        1234567 ¦ 1'234'567
        1234567 ¦ 1_234_567
        1234567 ¦ 1.234.567
        12345 ¦ 12 345
        12345 ¦ 12~345
        1000000 ¦ 1 million
        2500000 ¦ 2.5 million
        3000 ¦ 3 thousand
        1,000 ¦ 1000
        1234567 ¦ 12,34,567
        7 ¦ \boxed{7}
        7 ¦ \boxed{7.}
        7 ¦ 7.
        7 ¦ seven
        12 ¦ twelve
        # decimals
        0.5 ¦ .5
        0.5 ¦ 0.50
        -0.5 ¦ -.5
        3 ¦ 3.000
        3.0 ¦ 3
        1234.5 ¦ 1,234.50
        0.1 ¦ 1/10
        0.125 ¦ \frac18
        3.5 ¦ 3,5
        0.\overline{3} ¦ \frac{1}{3}
        0.1\overline{6} ¦ 1/6
        0.\overline{142857} ¦ 1/7
        1.\overline{9} ¦ 2
        0.333... ¦ 1/3
        0.\dot{3} ¦ 1/3
        3.1416 ¦ 3.14159
        0.6180 ¦ 0.61803
        # fractions
        1/2 ¦ \frac{1}{2}
        1/2 ¦ \dfrac{1}{2}
        1/2 ¦ \tfrac{1}{2}
        1/2 ¦ \cfrac{1}{2}
        1/2 ¦ \frac12
        1/2 ¦ \frac1{2}
        1/2 ¦ \frac{1}2
        1/2 ¦ \frac 1 2
        1/2 ¦ \frac 12
        1/2 ¦ {1 \over 2}
        1/2 ¦ 1 ⁄ 2
        1/2 ¦ ½
        3/4 ¦ ¾
        1/3 ¦ ⅓
        2/3 ¦ ⅔
        2/4 ¦ 1/2
        -1/2 ¦ \frac{-1}{2}
        -1/2 ¦ \frac{1}{-2}
        -1/2 ¦ -\frac{1}{2}
        1/2 ¦ \frac{-1}{-2}
        1/2 ¦ (1)/(2)
        1/2 ¦ 1 \div 2
        1/2 ¦ 1÷2
        7/2 ¦ 3\frac{1}{2}
        7/2 ¦ 3 1/2
        7/2 ¦ 3½
        7/2 ¦ 3 \frac12
        -7/2 ¦ -3\frac{1}{2}
        -7/2 ¦ -3 1/2
        -3\frac{1}{2} ¦ -3.5
        \frac{3}{2} ¦ 1\dfrac12
        \frac{22}{7} ¦ 3 1/7
        \frac{\frac{1}{2}}{3} ¦ 1/6
        \frac{1}{\frac{1}{2}} ¦ 2
        1/2/3 ¦ 1/6
        \frac{100}{3} ¦ 33\frac13
        \frac{x+1}{2} ¦ (x+1)/2
        \left(\frac{3}{4}\right) ¦ 0.75
        \nicefrac{1}{2} ¦ 0.5
        \sfrac{1}{2} ¦ 0.5
        1:2 ¦ \frac{1}{2}
        3:4 ¦ 6:8
        # percent
        50\% ¦ 50
        50% ¦ 50\%
        50\% ¦ 50 percent
        50\% ¦ 50 per cent
        50\% ¦ 50\text{ percent}
        12.5\% ¦ 12.5
        \frac{25}{2}\% ¦ 12.5\%
        # money and units
        10 ¦ \$10
        10 ¦ $10
        10 ¦ $10.00
        10 ¦ 10 dollars
        10 ¦ USD 10
        10 ¦ €10
        10 ¦ 10 €
        10 ¦ £10
        10 ¦ ¥10
        10 ¦ \pounds 10
        1234.56 ¦ \$1,234.56
        \$18.90 ¦ 18.9
        0.25 ¦ \$0.25
        5 ¦ 5 cm
        5 ¦ 5cm
        5 ¦ 5\text{ cm}
        5 ¦ 5\,\text{cm}
        5 ¦ 5~\mathrm{cm}
        5\text{ cm} ¦ 5\mbox{ cm}
        5\text{ cm}^2 ¦ 5 cm^2
        5\text{ cm}^2 ¦ 5 square centimeters
        5\text{ m/s} ¦ 5 m/s
        5 \text{ m/s} ¦ 5
        60 ¦ 60 mph
        60 \text{ mph} ¦ 60 miles per hour
        5\text{ cm} ¦ 5 centimeters
        12 \text{ hours} ¦ 12
        12 \text{ hours} ¦ 12 hours
        3 ¦ 3 apples
        36 \text{ square units} ¦ 36
        36 \text{ units}^2 ¦ 36
        90^\circ ¦ 90
        90^{\circ} ¦ 90°
        90^\circ ¦ 90 degrees
        90^\circ ¦ 90\degree
        45 ¦ 45\text{ degrees}
        4\text{ minutes} ¦ 4 min
        1.5 \text{ kg} ¦ 1.5 kilograms
        18 \text{ dollars} ¦ \$18
        2 \text{ feet} ¦ 2 ft
        # scientific notation
        1500 ¦ 1.5e3
        1500 ¦ 1.5E3
        1500 ¦ 1.5E+3
        0.0015 ¦ 1.5e-3
        1500 ¦ 1.5 \times 10^3
        1500 ¦ 1.5 \cdot 10^{3}
        1500 ¦ 1.5 × 10^3
        1500 ¦ 1.5*10^3
        1500 ¦ 1.5*10**3
        1500 ¦ 1.5 x 10^3
        1500 ¦ 1.5 × 10³
        0.00012 ¦ 1.2 \times 10^{-4}
        0.00012 ¦ 1.2 × 10⁻⁴
        6.02e23 ¦ 6.02 \times 10^{23}
        10^6 ¦ 1,000,000
        2^{10} ¦ 1024
        2^{100} ¦ 1267650600228229401496703205376
        # roots and pi
        \sqrt{8} ¦ 2\sqrt{2}
        \sqrt8 ¦ 2\sqrt2
        \sqrt{8} ¦ 2√2
        \sqrt{8} ¦ sqrt(8)
        \sqrt{8} ¦ 2*sqrt(2)
        \sqrt{8} ¦ 8^{1/2}
        \sqrt{8} ¦ 8^{0.5}
        \frac{1}{\sqrt{2}} ¦ \frac{\sqrt{2}}{2}
        \frac{\sqrt{3}}{3} ¦ 1/\sqrt3
        \sqrt{4} ¦ 2
        \sqrt[3]{27} ¦ 3
        \sqrt[3]{-8} ¦ -2
        \sqrt[3]{2} ¦ 2^{1/3}
        \sqrt[4]{16} ¦ 2
        \sqrt{\frac{1}{4}} ¦ 0.5
        \sqrt{3+2\sqrt2} ¦ 1+\sqrt2
        \sqrt{2}+\sqrt{3} ¦ \sqrt{3}+\sqrt{2}
        \sqrt{6} ¦ \sqrt2\sqrt3
        \sqrt{6} ¦ \sqrt2 \cdot \sqrt3
        \sqrt{x^2y} ¦ \sqrt{y x^2}
        \frac{1+\sqrt5}{2} ¦ \frac12+\frac{\sqrt5}{2}
        2\pi ¦ 2π
        2\pi ¦ 2 pi
        2\pi ¦ 2*pi
        2\pi ¦ \pi \cdot 2
        \frac{\pi}{3} ¦ \pi/3
        \frac{2\pi}{6} ¦ \frac13\pi
        \pi^2/6 ¦ \frac{\pi^{2}}{6}
        16\pi ¦ 16\pi\text{ cm}^2
        e^2 ¦ \mathrm{e}^2
        e^{i\pi} ¦ -1
        100\pi ¦ 100 \pi \text{ square inches}
        # powers, factorials, binomials, logarithms, trigonometry
        5! ¦ 120
        \frac{8!}{5!3!} ¦ 56
        \binom{5}{2} ¦ 10
        {5 \choose 2} ¦ 10
        \dbinom{5}{2} ¦ 10
        C(5,2) ¦ C(5,2)
        \log_2 8 ¦ 3
        \log_{2}{8} ¦ 3
        \log_{10} 100 ¦ 2
        \ln e^3 ¦ 3
        \ln(e) ¦ 1
        \ln 2 + \ln 3 ¦ \ln 6
        \log_3 2 ¦ \frac{\ln 2}{\ln 3}
        \log_4 9 ¦ \log_2 3
        \lg 100 ¦ 2
        \sin 30^\circ ¦ \sin 30^{\circ}
        \sin\frac{\pi}{6} ¦ \frac12
        \cos(\pi) ¦ -1
        \tan\frac\pi4 ¦ 1
        \sin^2 x + \cos^2 x ¦ 1
        \sin 2x ¦ 2 \sin x \cos x
        \arctan 1 ¦ \frac{\pi}{4}
        \tan^{-1} 1 ¦ \pi/4
        \arcsin\frac12 ¦ \pi/6
        \sec x ¦ \frac{1}{\cos x}
        |{-3}| ¦ 3
        |x-2| ¦ |2-x|
        \left|-5\right| ¦ 5
        \lfloor 3.7 \rfloor ¦ 3
        \lceil 3.2 \rceil ¦ 4
        2^{-3} ¦ 1/8
        x^{-1} ¦ \frac1x
        (x^2)^3 ¦ x^6
        2^{x+1} ¦ 2 \cdot 2^x
        a^{b+c} ¦ a^b a^c
        # polynomials and expressions
        x^2+2x+1 ¦ (x+1)^2
        x^2+2x+1 ¦ 1 + 2x + x^2
        x^2+2x+1 ¦ x^2+2*x+1
        x^2+2x+1 ¦ x**2 + 2*x + 1
        (x-1)(x+1) ¦ x^2-1
        2x ¦ x \cdot 2
        2x ¦ x+x
        xy ¦ yx
        a(b+c) ¦ ab+ac
        \frac{x^2-1}{x-1} ¦ x+1
        \frac{1}{x}+\frac{1}{y} ¦ \frac{x+y}{xy}
        -x^2 ¦ -(x^2)
        3x^2y ¦ 3yx^{2}
        \frac{n(n+1)}{2} ¦ \frac{n^2+n}{2}
        \frac{a}{b}c ¦ \frac{ac}{b}
        x_1 + x_2 ¦ x_2 + x_{1}
        \alpha\beta ¦ \beta \alpha
        2(x+y) ¦ 2\left(x+y\right)
        \left[2(x+y)\right] ¦ 2x+2y
        6x^3 - 4 ¦ 2(3x^3-2)
        \frac{5}{9}(F-32) ¦ \frac{5F-160}{9}
        x^2 - (a+b)x + ab ¦ (x-a)(x-b)
        \lambda^2 ¦ \lambda \cdot \lambda
        \varphi ¦ \phi
        5x ¦ 5 \times x
        5x ¦ 5·x
        # complex numbers
        3+4i ¦ 4i+3
        2i ¦ i \cdot 2
        \frac{1}{i} ¦ -i
        (1+i)^2 ¦ 2i
        i^2 ¦ -1
        \sqrt{-4} ¦ 2i
        \frac{1+i\sqrt3}{2} ¦ \frac12 + \frac{\sqrt3}{2} i
        e^{i\pi/3} ¦ \frac{1}{2}+\frac{\sqrt{3}}{2}i
        # intervals and sets
        (1,2) ¦ (1, 2)
        [1,2] ¦ \left[1, 2\right]
        [1,2) ¦ \left[1,2\right)
        [1,2) ¦ 1 \le x < 2
        [1,2) ¦ x \in [1,2)
        (1,2) ¦ 1 < x < 2
        (1,2] ¦ 2 \geq x > 1
        (-\infty,3) ¦ x<3
        (-\infty,3] ¦ x \le 3
        (3,\infty) ¦ (3, +\infty)
        (3,\infty) ¦ (3, ∞)
        (3,\infty) ¦ x > 3
        (3,\infty) ¦ 3 < x
        (1,2)\cup(3,4) ¦ (3,4) \cup (1,2)
        (1,2)\cup(3,4) ¦ (1,2)∪(3,4)
        (1,2)\cup(3,4) ¦ (1,2) U (3,4)
        (-\infty,0)\cup(0,\infty) ¦ x<0 \text{ or } x>0
        x<-1 \text{ or } x>1 ¦ (-\infty,-1)\cup(1,\infty)
        [0,\frac12] ¦ [0, 0.5]
        (0,1)\cup\{2\} ¦ \{2\}\cup(0,1)
        (-\infty,\infty) ¦ \mathbb{R}
        \mathbb{R} ¦ \R
        \mathbb{R} ¦ all real numbers
        \{1,2,3\} ¦ \{3,2,1\}
        \{1,2,3\} ¦ 1,2,3
        \{1,2,3\} ¦ 3, 1 and 2
        \{1,2,3\} ¦ \left\{1,2,3\right\}
        \{1,2,3\} ¦ \lbrace 1,2,3 \rbrace
        \{0.5\} ¦ \{\frac12\}
        \{5\} ¦ 5
        5 ¦ \{5\}
        \emptyset ¦ \varnothing
        \emptyset ¦ \{\}
        \emptyset ¦ ∅
        \{(1,2),(3,4)\} ¦ \{(3,4),(1,2)\}
        x \ne 3 ¦ x \neq 3
        x \neq 3 ¦ x≠3
        (-\infty, 2)\cup(2,\infty) ¦ \mathbb{R}\setminus\{2\}
        # tuples, vectors, matrices
        (1,2,3) ¦ (1, 2, 3)
        (1,2) ¦ \left(1,2\right)
        (1,2) ¦ \bigl(1,2\bigr)
        (\frac12,3) ¦ (0.5,3)
        (x,y)=(1,2) ¦ (1,2)
        (1,2) ¦ x=1, y=2
        (1,-2) ¦ (x, y) = (1, -2)
        (1,2),(3,4) ¦ (3,4),(1,2)
        (1,2),(3,4) ¦ (1,2) and (3,4)
        (1,2) ¦ \langle 1,2 \rangle
        \langle 1,2 \rangle ¦ \begin{pmatrix}1\\2\end{pmatrix}
        \begin{pmatrix}1\\2\end{pmatrix} ¦ \begin{bmatrix}1\\2\end{bmatrix}
        \begin{pmatrix}1&2\\3&4\end{pmatrix} ¦ \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}
        \begin{pmatrix}1&2\\3&4\end{pmatrix} ¦ \left(\begin{array}{cc}1&2\\3&4\end{array}\right)
        \begin{pmatrix}1/2&0\\0&1\end{pmatrix} ¦ \begin{pmatrix}0.5&0\\0&1\end{pmatrix}
        \begin{pmatrix}1\\2\end{pmatrix} ¦ \begin{pmatrix}1\\2\\\end{pmatrix}
        2\begin{pmatrix}1\\2\end{pmatrix} ¦ \begin{pmatrix}2\\4\end{pmatrix}
        \begin{pmatrix}1\\2\end{pmatrix} ¦ \begin{pmatrix}\frac{2}{2}\\\frac{4}{2}\end{pmatrix}
        \begin{vmatrix}1&2\\3&4\end{vmatrix} ¦ -2
        [[1,2],[3,4]] ¦ \begin{pmatrix}1&2\\3&4\end{pmatrix}
        \mathbf{i}+2\mathbf{j} ¦ 2\mathbf{j}+\mathbf{i}
        # equations and inequalities
        5 ¦ x=5
        x=5 ¦ 5
        x=5 ¦ 5 = x
        x = \frac12 ¦ x=0.5
        y=2x+1 ¦ 2x+1
        y=2x+1 ¦ y-2x-1=0
        y=2x+1 ¦ 2y=4x+2
        2x+3y=6 ¦ 4x+6y=12
        2x+3y-6=0 ¦ -2x-3y+6=0
        x^2+y^2=4 ¦ 4=y^2+x^2
        f(x)=x^2 ¦ x^2
        x=1, x=2 ¦ 1, 2
        x=1 \text{ or } x=2 ¦ 2, 1
        x_1=1, x_2=2 ¦ 1,2
        1,2 ¦ x \in \{1,2\}
        x = 1,2 ¦ 2,1
        x>5 ¦ 5<x
        x \ge 5 ¦ x ≥ 5
        x \geqslant 5 ¦ x>=5
        2x > 10 ¦ x > 5
        -x < -5 ¦ x > 5
        a \le b ¦ b \ge a
        x=5 ¦ x \approx 5
        a=1,b=2 ¦ b=2,a=1
        # plus or minus, lists
        \pm 3 ¦ 3, -3
        3,-3 ¦ \pm3
        \pm\sqrt2 ¦ -\sqrt{2}, \sqrt{2}
        2\pm\sqrt3 ¦ 2+\sqrt3, 2-\sqrt3
        x=\pm 2 ¦ x=2 \text{ or } x=-2
        ±3 ¦ -3 or 3
        1,2,3 ¦ 3,2,1
        1,2,3 ¦ 1, 2, 3
        1,2,3 ¦ 1; 2; 3
        1,2,3 ¦ 1, 2, and 3
        1,2,3 ¦ 1, 2 \text{ and } 3
        1 \text{ and } 2 ¦ 2, 1
        \frac12,\frac13 ¦ 1/3, 1/2
        """;
}
